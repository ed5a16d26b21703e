import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import type { Sandbox, SandboxRequest } from '../../src/host/contract.ts';
import { openHost, type Host } from '../../src/host/host.ts';
import type { ShareSpec } from '../../src/host/share-spec.ts';
import type { SandboxRecord } from '../../src/share/sandbox-record.ts';
import { captureLog, type CapturedLog } from '../harness/captured-log.ts';
import { eventually } from '../harness/eventually.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { makeSandboxAndDie } from '../harness/sandbox-maker.ts';
import { sandboxRequest } from '../harness/sandbox-request.ts';
import { smallFileSystem } from '../harness/small-file-system.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { VIRTIOFS, virtiofsTable } from '../harness/test-host.ts';

// A host that is detached leaves what one leaves that has died; test/integration has those that are killed.

type RecordFile = SandboxRecord & { formatVersion: number };

/** A state directory with hosts one after the other. */
interface Node extends AsyncDisposable {
  readonly path: string;
  readonly state: string;
  /** The record of the sandbox `sb`. */
  readonly file: string;
  /** Opens the next host, and waits until it has taken over what there is. */
  start(): Promise<{ host: Host; captured: CapturedLog }>;
  read(): RecordFile;
  rewrite(change: (record: RecordFile) => object): void;
}

async function openNode(ownState?: string): Promise<Node> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const state = ownState ?? join(path, 'state');
  const file = join(state, 'sandboxes/default/sb/sandbox.json');
  const read = (): RecordFile => JSON.parse(readFileSync(file, 'utf8')) as RecordFile;
  const own = stack.move();
  return {
    path,
    state,
    file,
    async start() {
      const captured = captureLog();
      const plugins = { [VIRTIOFS]: virtiofsTable('waits') };
      const config = { version: 1 as const, state, scratch_dir: state, plugins };
      const host = await openHost({ config, log: captured.log, shares: 'outlive-process' });
      // However the test ends, nothing of it stays.
      own.use(host);
      await host.adopted;
      return { host, captured };
    },
    read,
    rewrite: (change) => writeFileSync(file, JSON.stringify(change(read()))),
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

const request = (owner: SandboxRequest['owner'], ...shares: ShareSpec[]): SandboxRequest => ({
  ...sandboxRequest('sb', ...shares),
  owner,
});

const found = async (host: Host): Promise<Sandbox> =>
  (await host.sandboxes.find('default', 'sb')) ?? assert.fail('no sandbox');

const pidsOf = ({ shares }: Sandbox): number[] => shares.map(({ pid }) => pid);

/** Without members that are undefined. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** Has a sandbox of the controller left by a host that has gone. */
async function leave(node: Node, ...shares: ShareSpec[]): Promise<Sandbox> {
  const { host } = await node.start();
  const sandbox = await host.sandboxes.create(request('controller', ...shares));
  await Promise.all(sandbox.shares.map(({ ready }) => ready));
  sandbox.noteStarted();
  await host.detach();
  return sandbox;
}

async function assertDeleted(host: Host, { state }: Node): Promise<void> {
  await host.sandboxes.delete('default', 'sb');
  assert.equal(host.sandboxes.size, 0);
  assert.deepEqual(await leftovers(state), []);
}

describe('a sandbox that outlives its host', () => {
  for (const tags of [[], ['one'], ['one', 'two']]) {
    test(`is the same for every next host: ${tags.length} shares`, async () => {
      await using node = await openNode();
      const ownerData = { runtimeHandler: 'virtiofs', labels: { app: 'web' }, netns: null, attempt: 1 };
      const { host: first } = await node.start();
      const createdAt = new Date(-62_135_596_800_000); // Go's zero time, as CRI has it
      const shares = tags.map((tag) => ({ tag }));
      const sandbox = await first.sandboxes.create({
        ...request('controller', ...shares),
        createdAt,
        ownerData,
      });
      const pids = pidsOf(sandbox);
      sandbox.noteStarted();
      await first.detach();
      for (let next = 0; next < 2; next++) {
        // oxlint-disable no-await-in-loop -- one host follows the other
        const { host } = await node.start();
        const adopted = await found(host);
        const { owner, exit, goesWithShares } = adopted;
        assert.deepEqual(
          { owner, exit, goesWithShares, createdAt: adopted.createdAt, ownerData: adopted.ownerData },
          { owner: 'controller', exit: undefined, goesWithShares: false, createdAt, ownerData },
        );
        assert.deepEqual(pidsOf(adopted), pids);
        await assert.rejects(host.sandboxes.create(request('controller')), { code: Code.AlreadyExists });
        await host.detach();
        // oxlint-enable no-await-in-loop
      }
      const { host } = await node.start();
      const share = await (await found(host)).openShare({ tag: 'another' });
      await share.ready;
      await assertDeleted(host, node);
      for (const pid of [...pids, share.pid]) assert.equal(isGone(pid), true);
    });
  }

  test('has the configuration that it was created with', async () => {
    await using node = await openNode();
    const file = join(node.path, 'other.toml');
    const [table] = Object.entries(virtiofsTable('waits')).map(() => virtiofsTable('waits'));
    const lines = Object.entries({ ...table, virtio_fs_cache: 'always' }).map(
      ([key, value]) => `${key} = ${JSON.stringify(value)}`,
    );
    writeFileSync(file, `version = 1\n[plugins."${VIRTIOFS}"]\n${lines.join('\n')}\n`);
    const { host } = await node.start();
    const contents = { shares: [], profile: await host.profileOf(file) };
    (await host.sandboxes.create({ ...request('controller'), contents })).noteStarted();
    await host.detach();
    const { host: next } = await node.start();
    assert.equal((await (await found(next)).openShare({ tag: 'work' })).cache, 'always');
  });

  test('is not written down where it does not: of a shim, or of a host whose shares end with it', async () => {
    await using node = await openNode();
    const { host } = await node.start();
    await host.sandboxes.create(request('shim', { tag: 'work' }));
    assert.equal(existsSync(join(node.state, 'sandboxes/default/sb/work/share.json')), true);
    assert.equal(existsSync(node.file), false);
    await host.detach();
    const { host: next } = await node.start();
    assert.equal(next.sandboxes.size, 0);
    assert.deepEqual(await leftovers(node.state), []);
  });
});

describe('the end of a sandbox', () => {
  test('is known to the next host as the former one saw it', async () => {
    await using node = await openNode();
    const { host } = await node.start();
    const sandbox = await host.sandboxes.create(request('controller', { tag: 'one' }, { tag: 'two' }));
    sandbox.noteStarted();
    const [one, two] = pidsOf(sandbox);
    process.kill(one ?? 0, 'SIGABRT');
    const exit = await sandbox.ended;
    assert.equal(exit.failed?.tag, 'one');
    await host.detach();
    for (let times = 0; times < 2; times++) {
      // oxlint-disable no-await-in-loop -- one host follows the other
      const { host: next } = await node.start();
      const adopted = await found(next);
      assert.deepEqual(plain(adopted.exit), plain(exit));
      assert.equal(await adopted.ended, adopted.exit);
      assert.deepEqual(pidsOf(adopted), [one, two]);
      assert.equal(isGone(two ?? 0), false);
      await assert.rejects(adopted.openShare({ tag: 'three' }), {
        code: Code.FailedPrecondition,
        message: 'Sandbox "sb" has ended: create it again',
      });
      await next.detach();
      // oxlint-enable no-await-in-loop
    }
    const { host: last } = await node.start();
    await assertDeleted(last, node);
    assert.equal(isGone(two ?? 0), true);
  });

  test('that nobody saw is known, with an unknown status, as soon as the sandbox is', async () => {
    await using node = await openNode();
    const { pids: [pid = 0] = [] } = await makeSandboxAndDie(node.state, ['work']);
    process.kill(pid, 'SIGKILL');
    await eventually('it is gone', () => isGone(pid));
    const { host } = await node.start();
    const { exit, ended } = await found(host);
    assert.deepEqual([exit?.exitStatus, exit?.cause, exit?.failed?.tag], [255, 'failed', 'work']);
    assert.match(exit?.failed?.exit.message ?? '', /ended with an unknown status/);
    assert.equal(await ended, exit);
    await host.detach();
    const { host: next } = await node.start();
    assert.deepEqual((await found(next)).exit, exit);
    await assertDeleted(next, node);
  });

  test('is that of a daemon that nobody can reach any more, because its socket was removed meanwhile', async () => {
    await using node = await openNode();
    const { shares } = await leave(node, { tag: 'work' });
    const { pid, socketPath } = shares[0] ?? assert.fail('no share');
    rmSync(socketPath);
    const { host } = await node.start();
    const { exit } = await found(host);
    assert.deepEqual([exit?.cause, exit?.failed?.tag], ['failed', 'work']);
    assert.equal(
      exit?.failed?.exit.message,
      `Its socket "${socketPath}" was removed before a VMM came, while there was no host`,
    );
    assert.equal(isGone(pid), true);
    await assertDeleted(host, node);
  });

  test('is known where it was stopped, and stays until it is deleted', async () => {
    await using node = await openNode();
    const { host } = await node.start();
    const sandbox = await host.sandboxes.create(request('controller', { tag: 'work' }));
    sandbox.noteStarted();
    await sandbox[Symbol.asyncDispose]();
    await host.detach();
    const { host: next } = await node.start();
    const adopted = await found(next);
    assert.deepEqual(adopted.exit, sandbox.exit);
    assert.equal(adopted.exit?.cause, 'stopped');
    assert.deepEqual(adopted.shares, []);
    await assertDeleted(next, node);
  });

  test('comes where the host died while it stopped the sandbox', async () => {
    await using node = await openNode();
    const pids = pidsOf(await leave(node, { tag: 'one' }, { tag: 'two' }));
    node.rewrite((record) => ({ ...record, ending: 'stop' }));
    const { host } = await node.start();
    const { exit, shares } = await found(host);
    assert.deepEqual([exit?.exitStatus, exit?.cause, shares], [0, 'stopped', []]);
    for (const pid of pids) assert.equal(isGone(pid), true);
    assert.deepEqual(await leftovers(node.state), [
      'sandboxes/default',
      'sandboxes/default/sb',
      'sandboxes/default/sb/sandbox.json',
    ]);
    assert.equal(node.read().exit?.cause, 'stopped');
    await assertDeleted(host, node);
  });
});

describe('a host that finds the record of a sandbox', () => {
  const cases: [what: string, make: (node: Node) => void][] = [
    ['that was being created', ({ file }) => renameSync(file, `${file}.begun`)],
    [
      'whose record was being begun',
      ({ file }) => {
        rmSync(file);
        writeFileSync(`${file}.begun`, '{"formatVersion": 1,');
      },
    ],
    ['that was being deleted', (node) => node.rewrite((record) => ({ ...record, ending: 'delete' }))],
    [
      'that containerd had not started',
      (node) => node.rewrite((record) => ({ ...record, isStarted: false })),
    ],
    ['of before the last boot', (node) => node.rewrite((record) => ({ ...record, bootId: 'another' }))],
  ];
  for (const [what, make] of cases) {
    for (const shares of [[], [{ tag: 'work' }]]) {
      test(`leaves nothing of one ${what}: ${shares.length} shares`, async () => {
        await using node = await openNode();
        const pids = pidsOf(await leave(node, ...shares));
        make(node);
        const { host } = await node.start();
        assert.equal(host.sandboxes.size, 0);
        for (const pid of pids) assert.equal(isGone(pid), true);
        assert.deepEqual(await leftovers(node.state), []);
        await host.sandboxes.create(request('controller'));
      });
    }
  }

  test('adopts what an older version left that wrote none, and writes one', async () => {
    for (const owner of ['library', 'api'] as const) {
      // oxlint-disable no-await-in-loop -- two
      await using node = await openNode();
      const { host: former } = await node.start();
      const sandbox = await former.sandboxes.create(request(owner, { tag: 'work' }));
      await former.detach();
      rmSync(node.file);
      const { host } = await node.start();
      const adopted = await found(host);
      assert.deepEqual([pidsOf(adopted), adopted.owner], [pidsOf(sandbox), owner]);
      assert.equal(adopted.goesWithShares, owner === 'api');
      assert.equal(node.read().owner, owner);
      await assertDeleted(host, node);
      // oxlint-enable no-await-in-loop
    }
  });

  test('removes what its host was writing when it died', async () => {
    await using node = await openNode();
    await leave(node);
    writeFileSync(`${node.file}.new`, '{"formatVersion": 1,');
    const { host } = await node.start();
    assert.equal((await found(host)).exit, undefined);
    assert.equal(existsSync(`${node.file}.new`), false);
  });

  test('is not confused by a share of that name', async () => {
    await using node = await openNode();
    const tags = ['sandbox.json', 'sandbox.json.new', 'sandbox.json.begun', '%73andbox.json'];
    const pids = pidsOf(await leave(node, ...tags.map((tag) => ({ tag }))));
    const { host } = await node.start();
    const { shares } = await found(host);
    assert.deepEqual(shares.map(({ tag }) => tag).toSorted(), tags.toSorted());
    await assertDeleted(host, node);
    for (const pid of pids) assert.equal(isGone(pid), true);
  });
});

describe("a sandbox's record that cannot be read", () => {
  const remedy = 'remove the file, or run the version that wrote it';
  const cases: [what: string, make: (node: Node) => void, message: (file: string) => string][] = [
    [
      'torn',
      ({ file }) => writeFileSync(file, '{"formatVersion": 1,'),
      (file) => `Cannot read the sandbox's record "${file}": it is no JSON; ${remedy}`,
    ],
    [
      'of a newer version',
      (node) => node.rewrite((record) => ({ ...record, formatVersion: 2 })),
      (file) =>
        `Cannot read the sandbox's record "${file}": a newer version of this program wrote it (format 2); ${remedy}`,
    ],
    [
      'of another sandbox',
      (node) => node.rewrite((record) => ({ ...record, sandboxId: 'other' })),
      (file) => `Cannot use the record "${file}": it is that of sandbox "other": remove it`,
    ],
  ];
  for (const [what, make, messageOf] of cases) {
    test(`costs no share: ${what}`, async () => {
      await using node = await openNode();
      const pids = pidsOf(await leave(node, { tag: 'work' }));
      make(node);
      const text = readFileSync(node.file, 'utf8');
      const { host, captured } = await node.start();
      const warnings = captured.lines.filter(({ msg }) => msg.startsWith('Cannot'));
      assert.deepEqual(
        warnings.map(({ msg, level }) => [level, msg]),
        [['warn', `${messageOf(node.file)}. Its shares are adopted without it`]],
      );
      const adopted = await found(host);
      assert.deepEqual([pidsOf(adopted), adopted.owner], [pids, 'controller']);
      process.kill(pids[0] ?? 0, 'SIGKILL');
      await adopted.ended;
      assert.equal(readFileSync(node.file, 'utf8'), text);
      await assertDeleted(host, node);
    });

    test(`stays, and its id is refused with the remedy: ${what}`, async () => {
      await using node = await openNode();
      await leave(node);
      make(node);
      const { host } = await node.start();
      assert.equal(host.sandboxes.size, 0);
      await assert.rejects(host.sandboxes.create(request('controller')), {
        code: Code.FailedPrecondition,
        message: messageOf(node.file),
      });
      rmSync(node.file);
      await host.sandboxes.create(request('controller'));
      await assertDeleted(host, node);
    });
  }
});

describe('a sandbox that was made for its shares', () => {
  test('goes with the last of them under the next host too', async () => {
    await using node = await openNode();
    const { host } = await node.start();
    await host.openShare({ sandboxId: 'sb', tag: 'one' });
    await host.detach();
    const { host: next } = await node.start();
    const two = await next.openShare({ sandboxId: 'sb', tag: 'two' });
    assert.equal((await found(next)).goesWithShares, true);
    await next.shares.close({ namespace: 'default', sandboxId: 'sb', tag: 'one' });
    assert.equal(next.sandboxes.size, 1);
    await two[Symbol.asyncDispose]();
    assert.equal(next.sandboxes.size, 0);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('is nothing without them', async () => {
    await using node = await openNode();
    const { host } = await node.start();
    const share = await host.openShare({ sandboxId: 'sb', tag: 'one' });
    await host.detach();
    process.kill(share.pid, 'SIGKILL');
    rmSync(join(node.state, 'sandboxes/default/sb/one'), { recursive: true });
    const { host: next } = await node.start();
    assert.equal(next.sandboxes.size, 0);
    assert.equal(existsSync(node.file), false);
  });
});

// It mounts, and so needs root.
describe('a sandbox that cannot be written down', () => {
  test('is not created, nothing of it stays, and the error names the remedy', async () => {
    await using small = await smallFileSystem(256 << 10);
    await using node = await openNode(join(small.path, 'state'));
    const { host } = await node.start();
    small.fill();
    await assert.rejects(host.sandboxes.create(request('controller', { tag: 'work' })), {
      code: Code.ResourceExhausted,
      message:
        /^Cannot create sandbox "sb": ENOSPC: no space left on device: ".*": free space on its file system/,
    });
    assert.equal(host.sandboxes.size, 0);
    assert.deepEqual(await leftovers(node.state), []);
    small.free();
    await host.sandboxes.create(request('controller', { tag: 'work' }));
    small.fill();
    // What becomes of it later costs it nothing.
    await (await found(host))[Symbol.asyncDispose]();
    await assertDeleted(host, node);
    small.free();
  });

  test('does not start where that cannot be written down, and can later', async () => {
    await using node = await openNode();
    const { host } = await node.start();
    const sandbox = await host.sandboxes.create(request('controller'));
    mkdirSync(`${node.file}.new`);
    assert.throws(() => sandbox.noteStarted(), {
      name: 'StatusError',
      message: /^Cannot write down what became of a sandbox: EISDIR: .*"\/.*sandbox\.json\.new"/,
    });
    rmdirSync(`${node.file}.new`);
    sandbox.noteStarted();
    assert.equal(node.read().isStarted, true);
  });
});
