import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { chmod, mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { packageVersion } from '../../../src/package.ts';
import { serve } from '../../../src/services/serve.ts';
import { qemuArguments } from '../../../src/vmm/qemu.ts';
import { eventually } from '../../harness/eventually.ts';
import { isGone, leftovers } from '../../harness/leftovers.ts';
import { memorySpans } from '../../harness/memory-spans.ts';
import { sandboxRequest } from '../../harness/sandbox-request.ts';
import { connectShares, serveShares } from '../../harness/share-client.ts';
import { openTestHost } from '../../harness/test-host.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { askFeatures } from '../../harness/vhost-user.ts';
import { realVirtiofsds } from '../../harness/virtiofsds.ts';

// Real virtiofsds need root.

const OPEN = 'shimvirtiofs.share.v1.Shares/Open';
const names = { sandboxId: 'sb', tag: 'work' };

for (const { name, dialect, path: daemon, skip } of await realVirtiofsds()) {
  describe(`Share service with ${name}`, { skip }, () => {
    const real = { daemon, virtiofs: { virtio_fs_dialect: dialect } };

    test('opens a share that a VMM can use, tells all of it, and closes it', async () => {
      await using own = await serveShares(real);
      const { client, source } = own;
      const { share, qemuArguments: args } = await client.open({
        ...names,
        source,
        readOnly: dialect === 'rust',
        cache: 'never',
      });
      assert.ok(share);
      const { pid, socketPath, createdAt, lastLines, ...rest } = share;
      assert.deepEqual(rest, {
        $typeName: 'shimvirtiofs.share.v1.Share',
        namespace: 'default',
        ...names,
        state: 'waiting',
        sharedDir: source,
        readOnly: dialect === 'rust',
        queueSize: 1024,
        sharedFs: 'virtio-fs',
        owner: 'api',
        adopted: false,
        restarts: 0,
        cache: 'never',
      });
      assert.ok(createdAt);
      assert.match(lastLines.join('\n'), /[Ww]aiting for vhost-user socket connection/);
      assert.deepEqual(args, qemuArguments([share], { memoryMiB: 512 }));
      const got = await client.get({ ...names, memoryMib: 64 });
      assert.deepEqual({ ...got.share, lastLines }, share);
      assert.deepEqual(got.qemuArguments, qemuArguments([share], { memoryMiB: 64 }));
      const { shares } = await client.list({});
      assert.deepEqual(
        shares.map((each) => ({ ...each, lastLines })),
        [share],
      );
      const record = await readFile(join(own.state, 'sandboxes/default/sb/work/share.json'), 'utf8');
      assert.match(record, /^ "owner": "api",$/m);
      assert.notEqual(await askFeatures(socketPath), 0n);

      await eventually('the VMM has left', async () => (await client.get(names)).share?.exit !== undefined);
      const ended = await client.get(names);
      const { exitedAt, ...exit } = ended.share?.exit ?? {};
      assert.ok(exitedAt);
      assert.deepEqual(exit, {
        $typeName: 'shimvirtiofs.share.v1.Exit',
        cause: 'disconnected',
        message: 'virtiofsd exited with code 0: its VMM has left',
        exitCode: 0,
      });
      assert.equal(ended.share?.state, 'exited');
      assert.deepEqual(ended.qemuArguments, qemuArguments([], { memoryMiB: 512 }));

      assert.deepEqual((await client.close(names)).closed, 1);
      assert.equal(isGone(pid), true);
      assert.equal(own.host.sandboxes.size, 0);
      assert.deepEqual(await leftovers(own.state), []);
      assert.equal((await client.close(names)).closed, 0);
      assert.equal((await client.close({ sandboxId: 'sb' })).closed, 0);
    });

    test('opens and closes fifty shares of ten sandboxes at once, and leaves nothing', async () => {
      await using own = await serveShares(real);
      const { client, source } = own;
      const all = Array.from({ length: 50 }, (_, index) => ({
        sandboxId: `sb${index % 10}`,
        tag: `t${index}`,
      }));
      const opened = await Promise.all(
        all.map(async (each) => {
          const { share } = await client.open({ ...each, source });
          // Every other one goes while further ones come.
          if (Number(each.tag.slice(1)) % 2 === 0) assert.equal((await client.close(each)).closed, 1);
          return share;
        }),
      );
      const { shares } = await client.list({});
      assert.deepEqual(
        shares.map(({ tag }) => tag).toSorted(),
        all.flatMap(({ tag }, index) => (index % 2 === 0 ? [] : tag)).toSorted(),
      );
      const closed = await Promise.all(all.map((each) => client.close(each)));
      assert.equal(
        closed.reduce((sum, answer) => sum + answer.closed, 0),
        25,
      );
      assert.equal(own.host.sandboxes.size, 0);
      assert.deepEqual(await leftovers(own.state), []);
      assert.equal(
        opened.every((share) => isGone(share?.pid ?? 0)),
        true,
      );
    });
  });
}

describe('Share service: Open', () => {
  test('joins the sandbox, tells the VMM of all its shares, and the sandbox goes with the last one', async () => {
    await using own = await serveShares();
    const { client, host } = own;
    await client.open({ ...names, tag: 'one' });
    const { qemuArguments: args } = await client.open({ ...names, tag: 'two' });
    assert.deepEqual(
      args.filter((arg) => arg.includes('tag=')).map((arg) => /tag=(\w+)/.exec(arg)?.[1]),
      ['one', 'two'],
    );
    await client.close({ ...names, tag: 'one' });
    assert.equal(host.sandboxes.size, 1);
    await client.close({ ...names, tag: 'two' });
    assert.equal(host.sandboxes.size, 0);
    await client.open({ ...names, tag: 'one' });
    await client.open({ ...names, tag: 'two' });
    assert.equal((await client.close({ sandboxId: 'sb' })).closed, 2);
    assert.equal(host.sandboxes.size, 0);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('refuses what is wrong, with a code for each, and makes nothing', async () => {
    await using own = await serveShares();
    const { client } = own;
    const state = join(own.path, 'into-state');
    await symlink(own.state, state);
    for (const [wrong, code, message] of [
      [
        { source: 'relative' },
        Code.InvalidArgument,
        'Share "work" has a relative source "relative": use an absolute path',
      ],
      [{ source: '/nonexistent' }, Code.NotFound, /\/nonexistent/],
      [{ source: '/dev/null' }, Code.InvalidArgument, /\/dev\/null/],
      [{ source: state }, Code.InvalidArgument, /state/],
      [{ tag: '' }, Code.InvalidArgument, 'Invalid tag "": use 1 to 36 bytes without control characters'],
      [{ tag: 'x'.repeat(37) }, Code.InvalidArgument, /^Invalid tag/],
      [{ tag: '..' }, Code.InvalidArgument, /^Invalid tag/],
      [{ sandboxId: '' }, Code.InvalidArgument, /^Invalid sandbox id ""/],
      [{ sandboxId: '../x' }, Code.InvalidArgument, /^Invalid sandbox id/],
      [{ namespace: 'a/b' }, Code.InvalidArgument, /^Invalid namespace/],
      [
        { sharedFs: 'fs-none' },
        Code.InvalidArgument,
        'No plugin provides "fs-none"; known: virtio-fs-nydus, virtio-fs',
      ],
      [
        { cache: 'alwys' },
        Code.InvalidArgument,
        'Share "work" asks for cache mode "alwys", which "virtio-fs" does not have; did you mean "always"?',
      ],
      [
        { cache: 'auto', sharedFs: 'virtio-fs-nydus' },
        Code.InvalidArgument,
        'Share "work" asks for cache mode "auto", and "virtio-fs-nydus" has no cache modes: leave it out',
      ],
      [{ vmm: 'Qemu' }, Code.InvalidArgument, 'Unknown VMM "Qemu"; did you mean "qemu"?'],
    ] as const) {
      await assert.rejects(client.open({ ...names, ...wrong }), { code, message }, JSON.stringify(wrong));
      assert.equal(own.host.sandboxes.size, 0, JSON.stringify(wrong));
    }
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('joins a sandbox whose first share is refused', async () => {
    await using own = await serveShares();
    const [refused, opened] = await Promise.allSettled([
      own.client.open({ ...names, tag: '..' }),
      own.client.open(names),
    ]);
    assert.deepEqual([refused.status, opened.status], ['rejected', 'fulfilled']);
    assert.equal((await own.client.list({})).shares.length, 1);
  });

  test('refuses a tag in use, and leaves its share alone', async () => {
    await using own = await serveShares();
    const { share } = await own.client.open(names);
    await assert.rejects(own.client.open(names), {
      code: Code.AlreadyExists,
      message: 'Sandbox "sb" already has a share "work": close it first',
    });
    assert.equal(isGone(share?.pid ?? 0), false);
    assert.equal((await own.client.list({})).shares.length, 1);
  });

  test("fails with the daemon's own words where it ends, and leaves nothing", async () => {
    await using own = await serveShares({ daemon: 'exits-early' });
    await assert.rejects(own.client.open(names), {
      code: Code.FailedPrecondition,
      message: /^Cannot start share "work": virtiofsd exited with code \d+: \S/,
    });
    assert.equal(own.host.sandboxes.size, 0);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('leaves nothing of a call whose deadline passes, and the sandbox to its other shares', async () => {
    await using spans = await memorySpans();
    await using own = await serveShares({ daemon: 'never-ready' });
    const { client, host } = own;
    const other = await host.openShare({ sandboxId: 'sb', tag: 'other' });
    for (const [index, sandboxId] of ['sb', 'own'].entries()) {
      await assert.rejects(client.open({ ...names, sandboxId }, { timeoutMs: 300 }), {
        code: Code.DeadlineExceeded,
      });
      await eventually('the host has done with it', () => spans.named(OPEN).length > index);
    }
    assert.equal(host.sandboxes.size, 1);
    assert.deepEqual(host.sandboxes.get('default', 'sb').tags, ['other']);
    await other[Symbol.asyncDispose]();
    assert.equal(host.sandboxes.size, 0);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('leaves nothing of a call whose connection is lost', async () => {
    await using own = await serveShares({ daemon: 'never-ready' });
    const other = await connectShares(own.address);
    const lost = assert.rejects(other.client.open(names), { code: Code.Unavailable });
    await eventually('it is open', async () => (await own.client.list({})).shares.length === 1);
    const {
      shares: [share],
    } = await own.client.list({});
    await other[Symbol.asyncDispose]();
    await lost;
    await eventually('it is gone', () => own.host.sandboxes.size === 0);
    assert.equal(isGone(share?.pid ?? 0), true);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('leaves nothing of a call that the end of the service cuts off, once that has ended', async () => {
    await using own = await openTestHost({ daemon: 'never-ready' });
    const { host } = own;
    const serving = await serve(host);
    await using caller = await connectShares(serving.address);
    const lost = assert.rejects(caller.client.open(names), { code: Code.Unavailable });
    await eventually('it is open', async () => (await caller.client.list({})).shares.length === 1);
    await serving[Symbol.asyncDispose]();
    assert.equal(host.sandboxes.size, 0);
    assert.deepEqual(await leftovers(own.state), []);
    await lost;
  });

  test('is cancelled by a Close', async () => {
    await using own = await serveShares({ daemon: 'never-ready' });
    const opening = assert.rejects(own.client.open(names), { code: Code.FailedPrecondition });
    await eventually('it is open', async () => (await own.client.list({})).shares.length === 1);
    assert.equal((await own.client.close(names)).closed, 1);
    await opening;
    assert.equal(own.host.sandboxes.size, 0);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('is cancelled by a Close that comes right behind it, of the share or of its sandbox', async () => {
    await using own = await serveShares();
    for (const closed of [names, { sandboxId: names.sandboxId }]) {
      const opening = assert.rejects(own.client.open(names), { code: Code.Canceled });
      assert.equal((await own.client.close(closed)).closed, 1);
      await opening;
      assert.deepEqual((await own.client.list({})).shares, []);
      assert.deepEqual(await leftovers(own.state), []);
    }
  });

  test('refuses further shares of a sandbox that has ended, until those it has are closed', async () => {
    await using own = await serveShares();
    const { share } = await own.client.open(names);
    process.kill(share?.pid ?? 0, 'SIGUSR1');
    await eventually('it has ended', async () => (await own.client.get(names)).share?.state === 'exited');
    const { share: ended } = await own.client.get(names);
    assert.deepEqual([ended?.exit?.cause, ended?.exit?.signal], ['crashed', 'SIGUSR1']);
    await assert.rejects(own.client.open({ ...names, tag: 'more' }), {
      code: Code.FailedPrecondition,
      message: 'Sandbox "sb" has ended: close its shares first',
    });
    await own.client.close(names);
    await own.client.open({ ...names, tag: 'more' });
  });
});

describe('Share service: Close', () => {
  test('says that nothing was closed of a share that is not there, and leaves its sandbox alone', async () => {
    await using own = await serveShares();
    await own.client.open(names);
    assert.equal((await own.client.close({ ...names, tag: 'other' })).closed, 0);
    assert.equal((await own.client.list({})).shares.length, 1);
  });

  test('of the last share ends a sandbox of the service, also one that this host got from a former one', async () => {
    await using own = await serveShares();
    await own.host.sandboxes.create({ ...sandboxRequest('sb', { tag: 'work' }), owner: 'api' });
    assert.equal((await own.client.close(names)).closed, 1);
    assert.equal(own.host.sandboxes.size, 0);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test("leaves containerd's sandboxes alone and says whose they are, as Open does", async () => {
    await using own = await serveShares();
    await own.host.sandboxes.create(sandboxRequest('sb', { tag: 'work' }));
    for (const name of [names, { sandboxId: 'sb' }, { sandboxId: 'sb', tag: 'other' }])
      await assert.rejects(own.client.close(name), {
        code: Code.FailedPrecondition,
        message: 'Sandbox "sb" is containerd\'s: only containerd closes its shares',
      });
    await assert.rejects(own.client.open({ ...names, tag: 'other' }), {
      code: Code.FailedPrecondition,
      message: 'Sandbox "sb" is containerd\'s: its shares come from its spec',
    });
    const { share } = await own.client.get(names);
    assert.deepEqual([share?.owner, share?.state !== 'exited'], ['shim', true]);
  });

  test("closes a library's share by name; its own disposal is then nothing", async () => {
    await using own = await serveShares();
    await using share = await own.host.openShare({ sandboxId: 'sb', tag: 'work' });
    assert.equal((await own.client.get(names)).share?.owner, 'library');
    assert.equal((await own.client.close(names)).closed, 1);
    assert.equal(isGone(share.pid), true);
    assert.equal(own.host.sandboxes.size, 0);
    await using next = await own.host.openShare({ sandboxId: 'sb', tag: 'work' });
    await share[Symbol.asyncDispose]();
    assert.equal(isGone(next.pid), false);
  });

  test('refuses a name that is none', async () => {
    await using own = await serveShares();
    await assert.rejects(own.client.close({ sandboxId: '' }), { code: Code.InvalidArgument });
    await assert.rejects(own.client.close({ sandboxId: 'a', namespace: '..' }), {
      code: Code.InvalidArgument,
    });
  });
});

describe('Share service', () => {
  test('says NotFound and the name of what is not there', async () => {
    await using own = await serveShares();
    await assert.rejects(own.client.get(names), {
      code: Code.NotFound,
      message: 'No sandbox "sb" in namespace "default"',
    });
    await own.client.open(names);
    await assert.rejects(own.client.get({ ...names, tag: 'other' }), {
      code: Code.NotFound,
      message: 'Sandbox "sb" has no share "other"',
    });
    await assert.rejects(own.client.get({ ...names, namespace: 'other' }), { code: Code.NotFound });
  });

  test('lists in the order of names, and only what is asked for', async () => {
    await using own = await serveShares();
    const { client } = own;
    for (const name of ['b/y/2', 'a/y/2', 'a/y/1', 'a/x/9', 'b/x/1']) {
      const [namespace = '', sandboxId = '', tag = ''] = name.split('/');
      await client.open({ namespace, sandboxId, tag });
    }
    const list = async (filter: { namespace?: string; sandboxId?: string }): Promise<string[]> =>
      (await client.list(filter)).shares.map(
        ({ namespace, sandboxId, tag }) => `${namespace}/${sandboxId}/${tag}`,
      );
    assert.deepEqual(await list({}), ['a/x/9', 'a/y/1', 'a/y/2', 'b/x/1', 'b/y/2']);
    assert.deepEqual(await list({ namespace: 'b' }), ['b/x/1', 'b/y/2']);
    assert.deepEqual(await list({ sandboxId: 'y' }), ['a/y/1', 'a/y/2', 'b/y/2']);
    assert.deepEqual(await list({ namespace: 'c' }), []);
  });

  test('says which host answers', async () => {
    await using own = await serveShares();
    const { version, pid, state } = await own.client.version({});
    assert.deepEqual([version, pid, state], [packageVersion(), process.pid, own.state]);
  });

  test('is open to the owner of its socket only', async () => {
    await using directory = await temporaryDirectory();
    await chmod(directory.path, 0o755);
    const folder = join(directory.path, 'open-to-all');
    await mkdir(folder);
    await chmod(folder, 0o755);
    const address = join(folder, 'host.sock');
    await using _ = await serveShares({ config: { ttrpc: { address } } });
    assert.equal(statSync(address).mode & 0o777, 0o600);
    const code = `
      process.setgroups([]);
      process.setgid(Number(process.argv[2]));
      process.setuid(Number(process.argv[2]));
      require('node:net').connect(process.argv[1])
        .on('connect', () => { console.log('connected'); process.exit(); })
        .on('error', ({ code }) => console.log(code));`;
    const connectAs = async (user: number): Promise<string> =>
      (await execa(process.execPath, ['-e', code, address, `${user}`])).stdout;
    assert.equal(await connectAs(0), 'connected');
    assert.equal(await connectAs(65_534), 'EACCES');
  });
});
