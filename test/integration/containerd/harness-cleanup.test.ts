import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { execa } from 'execa';

import { startContainerd } from '../../harness/containerd/containerd.ts';
import { markedProcesses } from '../../harness/containerd/marked-processes.ts';
import { mountsBelow, removeDir } from '../../harness/containerd/remove-dir.ts';
import { eventually } from '../../harness/eventually.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

const fixtures = join(import.meta.dirname, '../../harness/containerd/fixtures');

test('startContainerd() finds shims in its path and ends what they left when disposed', async () => {
  const containerd = await startContainerd({ version: '2.4.2', path: [fixtures] });
  await using _ = containerd;
  const spec = join(containerd.dir, 'spec.json');
  await writeFile(spec, '{}');
  const run = ['sandboxes', 'run', '--runtime', 'io.containerd.leaky.v1', spec, 'sb'];
  const { code, stderr } = await containerd.ctr(run);
  assert.equal(code, 1);
  assert.match(stderr, /dial unix \/nowhere\.sock: connect: no such file or directory/);
  // The shell that it was before it became sleep(1) may still be seen.
  await eventually('its process is left', async () => {
    const left = await containerd.processes();
    return left.map(({ argv }) => argv.join(' ')).join() === 'sleep 1000';
  });
  await containerd[Symbol.asyncDispose]();
  assert.deepEqual(await markedProcesses(containerd.dir), []);
});

test('Containerd.ctr() ends ctr when the signal aborts', async () => {
  await using containerd = await startContainerd({ version: '2.4.2' });
  const cancel = new AbortController();
  const events = containerd.ctr(['events'], { signal: cancel.signal });
  await eventually('ctr runs', async () => (await containerd.processes()).length === 1);
  cancel.abort();
  assert.equal((await events).code, undefined);
  assert.deepEqual(await containerd.processes(), []);
});

test(
  'removeDir() unmounts before it removes',
  { skip: process.getuid?.() !== 0 && 'needs root' },
  async () => {
    await using kept = await temporaryDirectory();
    await using emptied = await temporaryDirectory();
    const dir = emptied.path;
    await writeFile(join(kept.path, 'file'), 'contents');
    const mountPoint = join(dir, 'a mount');
    await mkdir(mountPoint);
    await execa('mount', ['--bind', kept.path, mountPoint]);
    assert.deepEqual(mountsBelow(dir), [mountPoint]);
    await removeDir(dir);
    assert.equal(existsSync(dir), false);
    assert.deepEqual(mountsBelow(dir), []);
    assert.equal(await readFile(join(kept.path, 'file'), 'utf8'), 'contents');
  },
);
