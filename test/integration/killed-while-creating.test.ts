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

/** How many steps are passed over at first: each costs two hosts. */
const STRIDE = 7;
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

describe('a sandbox whose host was killed before any step of its creation', () => {
  test('is there with all its shares, or nothing of it is', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const file = join(directory.path, 'kill-at');
    /** Undefined where the creation took fewer steps. */
    const killAt = async (step: number): Promise<string | undefined> => {
      const { pids } = await makeSandboxAndDie(state, ['one', 'two'], { file, step });
      const found = await judge(state);
      rmSync(file);
      if (pids) {
        assert.deepEqual(found, pids);
        return undefined;
      }
      const name = readFileSync(`${file}.step`, 'utf8').replaceAll(state, '');
      rmSync(`${file}.step`);
      assert.equal(found, undefined, name);
      return name;
    };
    let last = 1;
    // oxlint-disable no-await-in-loop -- one host follows the other
    while ((await killAt(last)) !== undefined && last < MAX_STEPS) last += STRIDE;
    let name: string | undefined;
    do name = await killAt(--last);
    while (name === undefined);
    // oxlint-enable no-await-in-loop
    assert.match(name, /^renameSync .*\/sandbox\.json\.begun .*\/sandbox\.json$/);
  });
});
