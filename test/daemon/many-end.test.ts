import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fixture } from '../harness/fixtures.ts';
import { daemonPlace } from '../harness/test-daemon.ts';

/** Longer than all that is done in one turn of the event loop may take together, in milliseconds. */
const LONG_STEP_MS = 6;

describe('daemons that end at the same time', () => {
  test('are each followed up in a turn of the event loop of its own, where that takes long', async () => {
    await using place = await daemonPlace();
    const daemons = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        place.start(fixture('waits'), {
          socketPath: join(place.path, `${index}.sock`),
          outputPath: join(place.path, `${index}.log`),
        }),
      ),
    );
    await Promise.all(daemons.map(({ ready }) => ready));
    let [turn, isCounting] = [0, true];
    const count = (): void => {
      turn++;
      if (isCounting) setImmediate(count);
    };
    count();
    const turns: number[] = [];
    for (const daemon of daemons) {
      daemon.onChange(() => {
        turns.push(turn);
        const end = performance.now() + LONG_STEP_MS;
        while (performance.now() < end);
      });
    }
    for (const { identity } of daemons) process.kill(identity.pid, 'SIGKILL');
    const exits = await Promise.all(daemons.map(({ exited }) => exited));
    isCounting = false;
    assert.deepEqual(
      exits.map(({ signal }) => signal),
      daemons.map(() => 'SIGKILL'),
    );
    assert.equal(turns.length, daemons.length);
    assert.equal(new Set(turns).size, turns.length, `all in different turns: ${turns.join(' ')}`);
    for (const { socketPath } of daemons) assert.equal(existsSync(socketPath), false);
  });
});
