import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openHost, type Host } from '../../src/host/host.ts';
import { processesOf } from '../chaos/machine.ts';
import { captureLog } from '../harness/captured-log.ts';
import { eventually } from '../harness/eventually.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { makeSandboxAndDie } from '../harness/sandbox-maker.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { VIRTIOFS, virtiofsTable } from '../harness/test-host.ts';

/** Not every step is tried: each costs two hosts. */
const STRIDE = 4;
/** More than a creation takes: where it is reached, the steps are not counted. */
const MAX_STEPS = 100;

const open = (state: string): Promise<Host> =>
  openHost({
    config: { version: 1, state, scratch_dir: state, plugins: { [VIRTIOFS]: virtiofsTable('waits') } },
    log: captureLog().log,
    shares: 'outlive-process',
  });

/** The next host has all of it or nothing; returns the daemons that it has. */
async function judge(state: string): Promise<readonly number[] | undefined> {
  await using host = await open(state);
  await host.adopted;
  const sandbox = await host.sandboxes.find('default', 'sb');
  const pids = sandbox?.shares.map(({ pid }) => pid);
  for (const pid of pids ?? []) assert.equal(isGone(pid), false);
  if (!sandbox) {
    assert.deepEqual(await leftovers(state), []);
    // What the killed host has told a shell to become, it becomes, and ends.
    const others = (): unknown[] => processesOf(state).filter(({ parentPid }) => parentPid !== process.pid);
    await eventually('no process is left', () => others().length === 0);
  }
  await host.sandboxes.delete('default', 'sb');
  for (const pid of pids ?? []) assert.equal(isGone(pid), true);
  assert.deepEqual(await leftovers(state), []);
  return pids;
}

describe('a sandbox whose host was killed during its creation', () => {
  test('is there with all its shares, or nothing of it is', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const file = join(directory.path, 'kill-at');
    let undone = 0;
    for (let step = 1; step < MAX_STEPS; step += STRIDE) {
      // oxlint-disable no-await-in-loop -- one host follows the other
      const { pids } = await makeSandboxAndDie(state, ['one', 'two'], { file, step });
      const found = await judge(state);
      rmSync(file);
      if (pids) {
        assert.deepEqual(found, pids);
        assert.ok(undone > 3, `undone only ${undone} times`);
        return;
      }
      const name = readFileSync(`${file}.step`, 'utf8');
      rmSync(`${file}.step`);
      if (!found) undone++;
      // Its host makes the next daemon ready after it.
      else assert.equal(found.length, 2, name);
      // oxlint-enable no-await-in-loop
    }
    assert.fail('The creation was never done');
  });
});
