import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openHost } from '../../src/host/host.ts';
import { captureLog } from '../harness/captured-log.ts';
import { lockHolder } from '../harness/lock-holder.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

describe('holdState()', () => {
  test('gives up the lock where the state directory cannot be used', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const opening = openHost({
      config: { version: 1, state, scratch_dir: state },
      log: captureLog().log,
      async takeOver({ stateDir, lock }) {
        const taken = await lock();
        rmSync(stateDir.deletionDirectory, { recursive: true });
        writeFileSync(stateDir.deletionDirectory, '');
        return taken;
      },
    });
    await assert.rejects(opening, { code: 'EEXIST' });
    assert.equal(lockHolder(join(state, 'host.lock')), undefined);
    assert.equal(existsSync(join(state, 'reserve')), false);
  });
});
