import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { openStarter } from '../../../src/daemon/pool/starter.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

describe('openStarter()', () => {
  test('leaves the end of its child to its caller alone, so that nothing else is kept of it', async () => {
    await using directory = await temporaryDirectory();
    await using starter = openStarter(directory.path);
    assert.deepEqual(starter.child.eventNames(), ['error']);
    const exit = once(starter.child, 'exit');
    starter.child.kill('SIGKILL');
    assert.deepEqual(await exit, [null, 'SIGKILL']);
  });
});
