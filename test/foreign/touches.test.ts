import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { startOf } from '../../src/daemon/requirements.ts';
import { listOf } from '../../src/foreign/list.ts';
import { partOf, readOf } from '../../src/foreign/read.ts';
import { realpathOf } from '../../src/foreign/realpath.ts';
import { isDirectory, isFile, statOf, type ForeignStat } from '../../src/foreign/stat.ts';
import { touchInChild } from '../../src/foreign/touch-in-child.ts';
import type { Touch } from '../../src/foreign/touch.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

const mount = { id: 0, mountpoint: '/', fileSystem: 'fuse.healthy', superOptions: [] };

/** What a touch says in each of its ways: its value, or the code or name of its error. */
async function bothWays<T>(path: string, { direct, inChild }: Touch<T>): Promise<unknown[]> {
  const say = async (way: () => T | Promise<T>): Promise<unknown> => {
    try {
      return await way();
    } catch (error) {
      const { code, name } = error as NodeJS.ErrnoException;
      return code ?? name;
    }
  };
  return Promise.all([
    say(direct),
    say(() => inChild((...command) => touchInChild(command, { path, mount }, { timeoutMs: 600_000 }))),
  ]);
}

/** What both ways of a look agree on: stat(1) has whole seconds. */
const essence = (stat: ForeignStat): unknown => [stat.ino, stat.size, isDirectory(stat), isFile(stat)];

describe('a touch says in a child what it says directly', () => {
  const names = [
    'file',
    'empty',
    'directory',
    'link',
    'missing',
    'file/below',
    'circle',
    "odd '$name\n",
    'x'.repeat(300),
  ];
  for (const [what, touchOf] of [
    [
      'statOf()',
      (path: string): Touch<unknown> => {
        const { direct, inChild } = statOf(path);
        return { direct: () => essence(direct()), inChild: async (run) => essence(await inChild(run)) };
      },
    ],
    ['readOf()', readOf],
    ['partOf()', (path: string): Touch<unknown> => partOf(path, { offset: 2, length: 5 })],
    ['listOf()', listOf],
    ['realpathOf()', realpathOf],
    ['startOf()', startOf],
  ] as const) {
    for (const name of names) {
      test(`${what} of "${name.slice(0, 12)}"`, async () => {
        await using directory = await temporaryDirectory();
        const place = (file: string): string => join(directory.path, file);
        await writeFile(place('file'), '#!/bin/sh\n', { mode: 0o755 });
        await writeFile(place("odd '$name\n"), 'text');
        await writeFile(place('empty'), '');
        await mkdir(place('directory'));
        await symlink('file', place('link'));
        await symlink('circle', place('circle'));
        const [direct, inChild] = await bothWays(place(name), touchOf(place(name)));
        assert.deepEqual(inChild, direct);
      });
    }
  }

  test('readOf() refuses a FIFO and a device, and does not wait for them', async () => {
    await using directory = await temporaryDirectory();
    const fifo = join(directory.path, 'fifo');
    execFileSync('mkfifo', [fifo]);
    for (const path of [fifo, '/dev/zero', '/dev/tty']) {
      const { direct, inChild } = readOf(path);
      const refusal = { name: 'StatusError', message: `"${path}" is not a regular file` };
      if (path !== '/dev/tty') assert.throws(direct, refusal);
      await assert.rejects(
        inChild((...command) => touchInChild(command, { path, mount }, {})),
        refusal,
      );
    }
  });
});
