import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import type { OpenRequest } from '../../../src/proto/share/shares_pb.ts';
import { eventually } from '../../harness/eventually.ts';
import { fakeShare, serveFakeShares } from '../../harness/fake-shares.ts';
import { isGone, leftovers } from '../../harness/leftovers.ts';
import { serveShares } from '../../harness/share-client.ts';
import { runShimVirtiofs, SHIM_VIRTIOFS, type Ended } from '../../harness/shim-virtiofs.ts';
import { askFeatures } from '../../harness/vhost-user.ts';
import { realVirtiofsds } from '../../harness/virtiofsds.ts';

const ALL =
  'sb a /srv -n mine --read-only --cache always --shared-fs x --memory-mib 64 --vmm libvirt --bus rp1'.split(
    ' ',
  );

interface Shown {
  readonly pid: number;
  readonly tag: string;
  readonly state: string;
  readonly socketPath: string;
  readonly exit?: { readonly cause: string };
}

/** What the documents of the commands have, each some of it. */
interface Printed {
  readonly shares: readonly Shown[];
  readonly share: { readonly sharedDir: string };
  readonly qemuArguments: readonly string[];
  readonly closed: number;
}

const parse = ({ exitCode, stdout, stderr }: Ended): Printed => {
  assert.deepEqual([exitCode, stderr], [0, '']);
  return JSON.parse(stdout) as Printed;
};

// Real virtiofsds need root.
for (const { name, dialect, path: daemon, skip } of await realVirtiofsds()) {
  describe(`shim-virtiofs on a host with ${name}`, { skip }, () => {
    const real = { daemon, virtiofs: { virtio_fs_dialect: dialect } };

    test('opens a share for a VMM, lists and inspects it, and closes it', async () => {
      await using own = await serveShares(real);
      const run = (...args: string[]): Promise<Ended> => runShimVirtiofs(...args, '--state', own.state);
      const opened = await run('open', 'sb', 'work', own.source, '--memory-mib', '64');
      assert.deepEqual([opened.exitCode, opened.stderr], [0, '']);
      const { shares } = parse(await run('ls', '--json'));
      const [share] = shares;
      assert.ok(share);
      assert.deepEqual([shares.length, share.tag, share.state], [1, 'work', 'waiting']);
      const { qemuArguments } = await own.client.get({ sandboxId: 'sb', tag: 'work', memoryMib: 64 });
      assert.deepEqual(opened.stdout.split('\n'), [
        `socket  ${share.socketPath}`,
        'tag     work',
        `shared  ${own.source}`,
        `qemu    ${qemuArguments.join(' ')}`,
        `add     qmp {"execute":"chardev-add","arguments":{"id":"fs-work","backend":{"type":"socket","data":{"addr":{"type":"unix","data":{"path":"${share.socketPath}"}},"server":false}}}}`,
        '        qmp {"execute":"device_add","arguments":{"driver":"vhost-user-fs-pci","id":"fs-work","chardev":"fs-work","tag":"work","bus":"fs-port0","queue-size":1024,"num-request-queues":1}}',
        'remove  qmp {"execute":"device_del","arguments":{"id":"fs-work"}}  (then wait for DEVICE_DELETED)',
        '        qmp {"execute":"chardev-remove","arguments":{"id":"fs-work"}}',
      ]);
      const table = await run('ls');
      assert.match(
        table.stdout,
        new RegExp(`\\ndefault +sb +work +waiting +${share.pid} +api +${own.source}$`),
      );
      const text = await run('inspect', 'sb');
      for (const line of [
        /^default\/sb\/work$/m,
        /^ {2}State +waiting$/m,
        new RegExp(`^ {2}Daemon +pid ${share.pid}$`, 'm'),
        new RegExp(`^ {2}Socket +${share.socketPath}$`, 'm'),
        /^ {2}Opened +\d{4}-.*Z by api$/m,
        /[Ww]aiting for vhost-user socket connection/,
        /^ {2}Cache +auto$/m,
        /^qemu {4}-m 512M .*tag=work/m,
      ])
        assert.match(text.stdout, line);
      const closed = await run('close', 'sb', 'work');
      assert.deepEqual([closed.exitCode, closed.stdout, closed.stderr], [0, 'Closed 1 share', '']);
      assert.deepEqual([isGone(share.pid), await leftovers(own.state)], [true, []]);
      assert.equal((await run('close', 'sb')).stdout, 'Nothing to close');
      assert.deepEqual(parse(await run('close', 'sb', 'work', '--json')), { closed: 0 });
    });

    test('tells why a daemon has ended', async () => {
      await using own = await serveShares(real);
      const { source } = own;
      const { share } = await own.client.open({ sandboxId: 'sb', tag: 'work', source });
      await askFeatures(share?.socketPath ?? '');
      await eventually('it has seen its VMM leave', async () => {
        const { share: now } = await own.client.get({ sandboxId: 'sb', tag: 'work' });
        return now?.exit !== undefined;
      });
      const run = (...args: string[]): Promise<Ended> => runShimVirtiofs(...args, '--state', own.state);
      const inspected = parse(await run('inspect', 'sb', 'work', '--json'));
      assert.equal(inspected.shares[0]?.exit?.cause, 'disconnected');
      assert.match((await run('inspect', 'sb')).stdout, /^ {2}Ended +\d{4}-.*Z disconnected: /m);
      assert.match((await run('ls')).stdout, / exited \(disconnected\) /);
    });

    test('watches a share from its opening to its end', async () => {
      await using own = await serveShares(real);
      const args = ['--no-warnings', SHIM_VIRTIOFS, 'watch', '--json', '--state', own.state];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      await using _ = ending(child);
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
      const next = async (): Promise<{ event: string; share?: Shown }> =>
        JSON.parse((await lines.next()).value as string) as { event: string; share?: Shown };
      assert.equal((await next()).event, 'synced');
      await own.client.open({ sandboxId: 'sb', tag: 'work', source: own.source });
      assert.equal((await next()).event, 'opened');
      await own.client.close({ sandboxId: 'sb' });
      const events: string[] = [];
      for (;;) {
        const { event, share } = await next();
        events.push(event);
        if (event !== 'closed') continue;
        assert.equal(share?.exit?.cause, 'stopped');
        break;
      }
      assert.equal(new Set(events.slice(0, -1)).difference(new Set(['changed'])).size, 0);
      child.kill('SIGINT');
      assert.deepEqual(await once(child, 'exit'), [null, 'SIGINT']);
    });
  });
}

function ending(child: ChildProcess): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

describe('shim-virtiofs open', () => {
  test('shares a directory by a relative path, and an empty one where none is named', async () => {
    await using own = await serveShares();
    await mkdir(join(own.path, 'relative'));
    const { path, state } = own;
    const child = spawn(process.execPath, [SHIM_VIRTIOFS, 'open', 'sb', 'a', 'relative', '--state', state], {
      cwd: path,
      stdio: 'ignore',
    });
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.equal(
      (await own.client.get({ sandboxId: 'sb', tag: 'a' })).share?.sharedDir,
      join(path, 'relative'),
    );
    const empty = await runShimVirtiofs('open', 'sb', 'b', '--json', '--state', state);
    const { share } = parse(empty);
    assert.equal(existsSync(share.sharedDir), true);
    await own.client.close({ sandboxId: 'sb' });
    assert.equal(existsSync(share.sharedDir), false);
  });

  test('passes on what it is told', async () => {
    const asked: OpenRequest[] = [];
    await using fake = await serveFakeShares({
      open(request) {
        asked.push(request);
        const vmm = { name: 'qemu', arguments: ['-m', '64M', 'a b'] };
        return { share: fakeShare(), vmm };
      },
    });
    const open = (...args: string[]): Promise<Ended> =>
      runShimVirtiofs('open', ...args, '--address', fake.address);
    const [given, byDefault] = [await open(...ALL), await open('sb', 'a')];
    assert.match(given.stdout, /^qemu {4}-m 64M 'a b'$/m);
    assert.equal(byDefault.exitCode, 0);
    const names = { $typeName: 'shimvirtiofs.share.v1.OpenRequest', sandboxId: 'sb', tag: 'a' };
    const share = { source: '/srv', namespace: 'mine', readOnly: true, cache: 'always', sharedFs: 'x' };
    const all = { ...share, memoryMib: 64, vmm: 'libvirt', qemuBus: 'rp1' };
    const nothing = { source: '', namespace: '', readOnly: false, cache: '', sharedFs: '' };
    const none = { ...nothing, memoryMib: 0, vmm: '', qemuBus: '' };
    assert.deepEqual(asked, [
      { ...names, ...all },
      { ...names, ...none },
    ]);
  });

  test('refuses a bad name with 2, and a tag that is taken with 1', async () => {
    await using own = await serveShares();
    const { source, state } = own;
    const open = (...args: string[]): Promise<Ended> =>
      runShimVirtiofs('open', ...args, source, '--state', state);
    const bad = await open('../sb', 'a');
    assert.equal(bad.exitCode, 2);
    assert.match(bad.stderr, /^shim-virtiofs: Invalid sandbox id "\.\.\/sb": use letters/);
    assert.equal((await open('sb', 'a')).exitCode, 0);
    const taken = await open('sb', 'a');
    assert.equal(taken.exitCode, 1);
    assert.match(taken.stderr, /already has a share "a": close it first$/);
  });

  test('gives up at Ctrl-C a daemon that is never ready, of which the host keeps nothing', async () => {
    await using own = await serveShares({ daemon: 'never-ready' });
    const { source, state } = own;
    const child = spawn(process.execPath, [SHIM_VIRTIOFS, 'open', 'sb', 'a', source, '--state', state]);
    await using _ = ending(child);
    let pid = 0;
    await eventually('its daemon runs', async () => {
      const { shares } = await own.client.list({});
      pid = shares[0]?.pid ?? 0;
      return pid !== 0;
    });
    child.kill('SIGINT');
    assert.deepEqual(await once(child, 'exit'), [null, 'SIGINT']);
    await eventually('the host has given it up', () => own.host.sandboxes.size === 0);
    assert.deepEqual([isGone(pid), await leftovers(state)], [true, []]);
  });
});

describe('shim-virtiofs inspect', () => {
  test('tells what starts each VMM with a sandbox, and of one share what adds it to one that runs', async () => {
    await using own = await serveShares();
    const { source, state } = own;
    for (const tag of ['a', 'b']) await own.client.open({ sandboxId: 'sb', tag, source });
    const inspect = (...args: string[]): Promise<Ended> =>
      runShimVirtiofs('inspect', 'sb', ...args, '--state', state);
    const both = await inspect('--vmm', 'cloud-hypervisor', '--memory-mib', '64');
    assert.match(both.stdout, /^cloud-hypervisor --memory size=64M,shared=on --fs tag=a,\S+ tag=b,\S+$/m);
    assert.doesNotMatch(both.stdout, /^(add|remove) /m);
    const one = await inspect('b', '--vmm', 'cloud-hypervisor');
    assert.match(one.stdout, /^add {5}ch-remote add-fs tag=b,\S+,id=fs-b$/m);
    assert.match(one.stdout, /^remove {2}ch-remote remove-device fs-b$/m);
    const domain = await inspect('b', '--vmm', 'libvirt');
    assert.match(domain.stdout, /^libvirt <memoryBacking>.*\n {8}<filesystem .*\n {8}<filesystem /m);
    assert.match(domain.stdout, /^remove {2}virsh detach-device <filesystem .*dir='b'\/>/m);
    assert.match((await inspect('a', '--bus', 'rp7')).stdout, /"bus":"rp7"/);
    const json = JSON.parse((await inspect('--json')).stdout) as { vmm: { name: string; add: unknown[] } };
    assert.deepEqual([json.vmm.name, json.vmm.add], ['qemu', []]);
    const unknown = await inspect('--vmm', 'firecracker');
    assert.deepEqual([unknown.exitCode, unknown.stdout], [2, '']);
    assert.match(
      unknown.stderr,
      /^shim-virtiofs: Unknown VMM "firecracker"; known: qemu, cloud-hypervisor, /,
    );
  });

  test('finds a sandbox in any namespace, and exits with 4 for what is not there', async () => {
    await using own = await serveShares();
    const { source, state } = own;
    const inspect = (...args: string[]): Promise<Ended> =>
      runShimVirtiofs('inspect', ...args, '--state', state);
    await own.client.open({ namespace: 'k8s.io', sandboxId: 'sb', tag: 'a', source });
    assert.match((await inspect('sb', 'a')).stdout, /^k8s\.io\/sb\/a$/m);
    const problems: [args: string[], problem: RegExp][] = [
      [['other'], /^shim-virtiofs: No sandbox "other" with shares$/],
      [['sb', 'b'], /^shim-virtiofs: No share "b" of a sandbox "sb"$/],
      [['sb', '-n', 'default'], /^shim-virtiofs: No sandbox "sb" with shares in namespace "default"$/],
    ];
    for (const [args, problem] of problems) {
      const { exitCode, stdout, stderr } = await inspect(...args);
      assert.deepEqual([exitCode, stdout], [4, '']);
      assert.match(stderr, problem);
    }
  });

  test('wants a namespace where sandboxes of several have that name', async () => {
    await using own = await serveShares();
    const { source, state } = own;
    for (const namespace of ['a', 'b'])
      await own.client.open({ namespace, sandboxId: 'sb', tag: 't', source });
    const { exitCode, stderr } = await runShimVirtiofs('inspect', 'sb', '--state', state);
    assert.equal(exitCode, 2);
    assert.match(stderr, /in several namespaces \(a, b\): add --namespace\n/);
    const one = await runShimVirtiofs('inspect', 'sb', '--namespace', 'b', '--json', '--state', state);
    const shown = parse(one);
    assert.deepEqual([shown.shares.length, shown.qemuArguments.join(' ').match(/tag=/g)?.length], [1, 1]);
  });
});

describe('shim-virtiofs close', () => {
  test("closes one share, or all, and no others' sandbox", async () => {
    await using own = await serveShares();
    const { source, state } = own;
    const close = (...args: string[]): Promise<Ended> => runShimVirtiofs('close', ...args, '--state', state);
    for (const tag of ['a', 'b', 'c']) await own.client.open({ sandboxId: 'sb', tag, source });
    assert.equal((await close('sb', 'a')).stdout, 'Closed 1 share');
    assert.equal((await close('sb', '-n', 'other')).stdout, 'Nothing to close');
    assert.equal((await close('sb')).stdout, 'Closed 2 shares');
    assert.equal(own.host.sandboxes.size, 0);
  });
});
