import assert from 'node:assert/strict';
import { on } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { readConfig } from '../../../src/config/read.ts';
import { obtain } from '../../setup/obtain.ts';
import { eventually } from '../../harness/eventually.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

// The demo boots a guest, and needs root. It has one state directory, so its tests run one after the other.

const program = fileURLToPath(new URL('../../../examples/demo/demo.ts', import.meta.url));
const { state } = readConfig(fileURLToPath(new URL('../../../examples/demo/config.toml', import.meta.url)));

/** The processes that carry a value in their environment, which those that the demo starts inherit, or name it. */
async function processesWith(text: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const matches = await Promise.all(
    pids.map(async (pid) => {
      const files = [`/proc/${pid}/environ`, `/proc/${pid}/cmdline`];
      const texts = await Promise.all(files.map((file) => readFile(file, 'latin1').catch(() => '')));
      return texts.some((found) => found.includes(text));
    }),
  );
  return pids.filter((_, index) => matches[index]);
}

/** Resolves when a stream has brought a text; unlike its iterator it leaves the stream open. */
async function textOf(stream: Readable, text: string): Promise<void> {
  let all = '';
  for await (const [chunk] of on(stream, 'data', { close: ['end'] })) {
    all += String(chunk);
    if (all.includes(text)) return;
  }
}

describe('examples/demo', { concurrency: false }, () => {
  test('shows both files and the spans, and leaves nothing', async () => {
    await Promise.all([obtain('virtiofsd'), obtain('qemu'), obtain('initrd')]);
    await using directory = await temporaryDirectory();
    const { stdout, stderr } = await execa(process.execPath, [program], { env: { TMPDIR: directory.path } });
    assert.equal(stderr, '');
    const expected = [
      /^▸ host .*config\.toml/m,
      /virtiofs provides "virtio-fs"; ttrpc on \//,
      /✓ virtiofsd \d+ serves .* as "demo" on .*\.sock/,
      /✓ process \d+ is gone, socket is gone/,
      /^The host's file, as the guest read it:\n {2}written by the host$/m,
      /^The guest's file, as the host reads it:\n {2}written by Linux \S+ in the guest$/m,
      /containerd\.runtime\.sandbox\.v1\.Sandbox\/CreateSandbox +\d+\.\d+ ms/,
      /virtiofsd\.start +\d+\.\d+ ms {2}pid \d+/,
      /virtiofsd\.quit +\d+\.\d+ ms {2}pid \d+ {2}\(linked to its virtiofsd\.start\)/,
    ];
    for (const pattern of expected) assert.match(stdout, pattern);
    assert.equal(existsSync(state), false);
    assert.deepEqual(await readdir(directory.path), []);
    assert.deepEqual(await processesWith(directory.path), []);
  });

  for (const step of ['host', 'create', 'guest', 'delete']) {
    test(`leaves nothing when Ctrl-C comes during the step "${step}", and exits with 130`, async () => {
      await using directory = await temporaryDirectory();
      const demo = execa(process.execPath, [program], {
        env: { TMPDIR: directory.path },
        reject: false,
        all: true,
      });
      await textOf(demo.all, `▸ ${step} `);
      demo.kill('SIGINT');
      const { exitCode, all } = await demo;
      // The last step may be done before the signal comes; all is gone then too.
      if (step !== 'delete' || exitCode !== 0) assert.equal(exitCode, 130, all);
      assert.equal(existsSync(state), false, all);
      assert.deepEqual(await readdir(directory.path), []);
      await eventually('no process is left', async () => (await processesWith(directory.path)).length === 0);
      await eventually('no daemon is left', async () => (await processesWith(join(state, 's'))).length === 0);
    });
  }

  test('leaves nothing when whoever reads its output leaves', async () => {
    await using directory = await temporaryDirectory();
    const demo = execa(process.execPath, [program], { env: { TMPDIR: directory.path }, reject: false });
    await textOf(demo.stdout, '▸ create ');
    demo.stdout.destroy();
    const { exitCode } = await demo;
    assert.equal(exitCode, 1);
    assert.equal(existsSync(state), false);
    assert.deepEqual(await readdir(directory.path), []);
    await eventually('no daemon is left', async () => (await processesWith(join(state, 's'))).length === 0);
  });
});
