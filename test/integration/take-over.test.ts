import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code, StatusError } from 'ttrpc-ts';
import { readStat } from '../../src/proc/stat.ts';
import { HANDED_OVER } from '../../src/services/hand-over/gate.ts';
import { eventually } from '../harness/eventually.ts';
import { executable, fixture } from '../harness/fixtures.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { lockHolder } from '../harness/lock-holder.ts';
import { pidOnRecord, startServe, type ServeProcess } from '../harness/serve-process.ts';
import { connectShares } from '../harness/share-client.ts';
import { runShimVirtiofs, SHIM_VIRTIOFS, type Ended } from '../harness/shim-virtiofs.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { writePlugin } from '../harness/test-plugin.ts';
import { connectVhostUser } from '../harness/vhost-user.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';

// Hosts are processes of their own. Real virtiofsds need root.

const name = { sandboxId: 'sb', tag: 'work' };

type ServeOptions = Parameters<typeof startServe>[1];

/** A state directory that hosts take over from one another. */
interface Node extends AsyncDisposable {
  readonly path: string;
  readonly state: string;
  readonly source: string;
  readonly config: string;
  start(options?: Partial<ServeOptions>): Promise<ServeProcess>;
  /** Starts one that takes over, and resolves when callers find it, before the other one has let go. */
  follow(options?: Partial<ServeOptions>): Promise<ServeProcess>;
  /** Runs one to its end that cannot take over. */
  fail(...args: string[]): Promise<Ended>;
}

async function openNode(options: ServeOptions = { daemon: fixture('waits') }): Promise<Node> {
  const directory = await temporaryDirectory();
  const { path } = directory;
  const [state, source, config] = ['state', 'source', 'config.toml'].map((each) => join(path, each));
  assert.ok(state && source && config);
  await mkdir(source);
  return {
    path,
    state,
    source,
    config,
    start: (more) => startServe(path, { ...options, ...more }),
    follow: (more) => startServe(path, { ...options, ...more, args: ['--take-over', ...(more?.args ?? [])] }),
    fail: (...args) => runShimVirtiofs('serve', '--take-over', '--config', config, ...args),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const ended = (host: ServeProcess): Promise<number | string | undefined> => host.end('SIGCONT');

const outputOf = (host: ServeProcess): string => host.output.join('\n');

/** Asserts that a host serves as if nobody had asked it to hand over, on old connections and on new ones. */
async function assertServes(host: ServeProcess, { state }: Node): Promise<void> {
  assert.equal((await host.shares.version({})).pid, host.pid);
  assert.equal(pidOnRecord(state), host.pid);
  await using another = await connectShares((await readFile(join(state, 'host.address'), 'utf8')).trim());
  assert.equal((await another.client.version({})).pid, host.pid);
  assert.notEqual(lockHolder(join(state, 'host.lock')), undefined);
}

for (const { name: virtiofsd, dialect, path: daemon, skip } of await realVirtiofsds()) {
  describe(`a host that takes over, with ${virtiofsd}`, { skip }, () => {
    test('has the shares of the other one, which ends with 0, under a VMM that notices nothing', async () => {
      await using node = await openNode({ daemon, dialect });
      const { state, source } = node;
      await using former = await node.start();
      const { share } = await former.shares.open({ ...name, source });
      const idle = await former.shares.open({ sandboxId: 'idle', tag: 'work', source });
      using vmm = await connectVhostUser(share?.socketPath ?? '');
      const features = await vmm.getFeatures();
      await eventually(
        'it is seen',
        async () => (await former.shares.get(name)).share?.state === 'connected',
      );

      await using host = await node.follow();
      assert.equal(await ended(former), 0);
      assert.match(outputOf(former), /"reason":"handed over","sandboxes":2,.*"msg":"Ending; shares stay"/);
      await assertServes(host, node);
      const { shares } = await host.shares.list({});
      assert.deepEqual(
        shares.map(({ sandboxId, pid, state: current, adopted }) => [sandboxId, pid, current, adopted]),
        [
          ['idle', idle.share?.pid, 'waiting', true],
          ['sb', share?.pid, 'connected', true],
        ],
      );
      assert.equal(await vmm.getFeatures(), features);
      for (const sandboxId of ['idle', 'sb']) await host.shares.close({ sandboxId });
      assert.deepEqual([isGone(share?.pid ?? 0), isGone(idle.share?.pid ?? 0)], [true, true]);
      assert.deepEqual(await leftovers(state), []);
    });
  });
}
