import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { readConfig } from '../../../src/config/read.ts';
import { obtain, obtainOrSkip } from '../../setup/obtain.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

// It boots a guest, and needs root. Its state directory is one for all runs.

const program = fileURLToPath(new URL('../../../examples/nydus/demo.ts', import.meta.url));
const { state } = readConfig(fileURLToPath(new URL('../../../examples/nydus/config.toml', import.meta.url)));
const { skip } = await obtainOrSkip('nydus');

describe('examples/nydus', { skip, concurrency: false }, () => {
  test('shows that a guest makes no more of an image travel than it reads, and leaves nothing', async () => {
    await Promise.all([obtain('registry'), obtain('qemu'), obtain('initrd')]);
    await using directory = await temporaryDirectory();
    const { stdout, stderr } = await execa(process.execPath, [program], { env: { TMPDIR: directory.path } });
    assert.equal(stderr, '');
    const answers = stdout.matchAll(/the guest's checksum of its file: ([0-9a-f]{32}) /g).toArray();
    assert.equal(answers.length, 2, stdout);
    assert.equal(answers[0]?.[1], answers[1]?.[1]);
    assert.match(stdout, /✓ process \d+ is gone/);
    const row = (name: string): number[] => {
      const pattern = `${name} +mounted after (\\d+) ms +read after (\\d+) ms +([\\d.]+) MB fetched`;
      return (new RegExp(pattern).exec(stdout) ?? assert.fail(stdout)).slice(1).map(Number);
    };
    const image = Number(/image: ([\d.]+) MB in the registry/.exec(stdout)?.[1]);
    const [, , lazy = NaN] = row('lazily');
    const [, , full = NaN] = row('all of it first');
    // One file of 64, and the table that says where the others are.
    assert.ok(lazy > image / 64 && lazy < image / 16, stdout);
    assert.ok(full >= image, stdout);
    assert.equal(existsSync(state), false);
    assert.deepEqual(await readdir(directory.path), []);
  });

  test('leaves nothing when Ctrl-C comes while the guest boots, and exits with 130', async () => {
    await using directory = await temporaryDirectory();
    const demo = execa(process.execPath, [program], {
      env: { TMPDIR: directory.path },
      reject: false,
      all: true,
    });
    let text = '';
    for await (const line of demo.iterable({ from: 'all' })) {
      text += `${line}\n`;
      if (/▸ guest /.test(line)) demo.kill('SIGINT');
    }
    const { exitCode } = await demo;
    assert.equal(exitCode, 130, text);
    assert.equal(existsSync(state), false, text);
    assert.deepEqual(await readdir(directory.path), []);
  });
});
