import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openHost } from '../../../src/host/host.ts';
import { captureLog } from '../../harness/captured-log.ts';
import { runShimVirtiofs } from '../../harness/shim-virtiofs.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

describe('shim-virtiofs serve', () => {
  test('exits with 1 while another host has the state directory, named by option or by file', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const [file, other] = [join(directory.path, 'config.toml'), join(directory.path, 'other.toml')];
    await writeFile(file, `version = 1\nstate = "${state}"\n`);
    await writeFile(other, 'version = 1\n');
    await using _ = await openHost({ config: file, log: captureLog().log });
    for (const args of [
      ['-c', file],
      ['-c', other, '--state', state],
    ]) {
      const { exitCode, stderr } = await runShimVirtiofs('serve', ...args);
      assert.equal(exitCode, 1);
      assert.match(stderr, /^shim-virtiofs: Another host uses ".*": end it, or give this one/m);
    }
  });

  test('exits with 2, names both and makes neither where the file says another state directory', async () => {
    await using directory = await temporaryDirectory();
    const [own, given] = [join(directory.path, 'own'), join(directory.path, 'given')];
    const file = join(directory.path, 'config.toml');
    await writeFile(file, `version = 1\nstate = "${own}"\n`);
    const { exitCode, stdout, stderr } = await runShimVirtiofs('serve', '-c', file, '--state', given);
    assert.deepEqual([exitCode, stdout], [2, '']);
    assert.equal(
      stderr,
      `shim-virtiofs: Invalid configuration "${file}": state: "${own}" is not the state directory "${given}" that ` +
        `this host is given: remove the key, or give the host "${own}" (--state, CONTAINERD_SHIM_VIRTIOFS_STATE)`,
    );
    assert.deepEqual([existsSync(own), existsSync(given)], [false, false]);
  });
});
