import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code, connect, createClient } from 'ttrpc-ts';
import { lockFile } from '../../../src/proc/flock.ts';
import { Shares } from '../../../src/proto/share/shares_pb.ts';
import { createSuccession } from '../../../src/services/hand-over/take-over.ts';
import { serve } from '../../../src/services/serve.ts';
import { eventually } from '../../harness/eventually.ts';
import { openTestHost } from '../../harness/test-host.ts';

describe('createSuccession()', () => {
  test('lets nobody find a host that has taken over and does not come to serve', async () => {
    await using own = await openTestHost();
    const { host } = own;
    const onHandedOver = async (): Promise<void> => {
      await serving[Symbol.asyncDispose]();
      await host.detach();
    };
    const serving = await serve(host, { onHandedOver: () => void onHandedOver() });
    const { stateDir, config, log } = host;
    const { signal } = new AbortController();
    const succession = createSuccession({ force: false, timeoutMs: 600_000, signal });
    const lock = (wait: { waitMs?: number } = {}): ReturnType<typeof lockFile> =>
      lockFile(stateDir.host.lock, wait);
    await using _ = await succession.takeOver({ stateDir, config, log, check: async () => {}, lock });
    const found = ['host.sock', 'host.pid', 'host.address'].map((name) => join(own.state, name));
    assert.deepEqual(found.map(existsSync), [true, true, true]);
    await using caller = await connect({ path: join(own.state, 'host.sock') });
    await assert.rejects(lockFile(stateDir.host.startLock), { code: Code.FailedPrecondition });

    await succession[Symbol.asyncDispose]();
    await caller.closed;
    assert.deepEqual(found.map(existsSync), [false, false, false]);
    await (await lockFile(stateDir.host.startLock))[Symbol.asyncDispose]();
  });

  test('leaves nothing at the place of a host that it cannot tell of, and the other one goes on', async () => {
    await using own = await openTestHost();
    const { host } = own;
    await using serving = await serve(host, { onHandedOver: () => assert.fail('It hands over') });
    const { stateDir, config, log } = host;
    const { signal } = new AbortController();
    await using succession = createSuccession({ force: false, timeoutMs: 600_000, signal });
    const address = join(own.path, 'other.sock');
    mkdirSync(`${stateDir.host.pid}.new`);
    const taking = succession.takeOver({
      stateDir,
      config: { ...config, ttrpc: { address } },
      log,
      check: async () => {},
      lock: (wait: { waitMs?: number } = {}) => lockFile(stateDir.host.lock, wait),
    });
    await assert.rejects(taking, /host\.pid\.new/);
    assert.equal(existsSync(address), false);
    await using caller = await connect({ path: serving.address });
    await createClient(Shares, caller).open({ sandboxId: 'sb', tag: 'work', source: own.source });
    rmdirSync(`${stateDir.host.pid}.new`);
    const said = `${serving.address}\n`;
    await eventually('it is found again', () => readFileIfThere(stateDir.host.address) === said);
  });
});

const readFileIfThere = (path: string): string | undefined =>
  existsSync(path) ? readFileSync(path, 'utf8') : undefined;
