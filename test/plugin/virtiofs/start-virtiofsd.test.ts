import assert from 'node:assert/strict';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fixture } from '../../harness/fixtures.ts';
import { daemonPlace } from '../../harness/test-daemon.ts';

describe('startVirtiofsd()', () => {
  test('serves the directory that a symbolic link names, without a host as well', async () => {
    for (const dialect of ['c', 'rust'] as const) {
      await using place = await daemonPlace();
      const directory = join(place.path, 'a, b');
      const sourcePath = join(place.path, 'link');
      await mkdir(directory);
      await symlink('a, b', sourcePath);
      const daemon = await place.startVirtiofsd({ daemonPath: fixture('waits'), dialect, sourcePath });
      const expected = { c: `source=${place.path}/a\\, b`, rust: `--shared-dir=${directory}` };
      assert.equal(daemon.program.args.includes(expected[dialect]), true, daemon.program.args.join('|'));
    }
  });
});
