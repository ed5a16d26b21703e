import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { fixture } from '../harness/fixtures.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

const PROGRAM = [process.execPath, '--no-warnings', fixture('closes-inherited.ts')] as const;

/** What the program has open besides the standard three, after it has called closeInherited(). */
const leftIn = async (child: ChildProcess): Promise<string[]> =>
  JSON.parse(String(await once(child.stdout as Readable, 'data'))) as string[];

/** Lets the program end; resolves to its exit code. */
async function end(child: ChildProcess): Promise<unknown> {
  const exit = once(child, 'exit');
  (child.stdin as Writable).end();
  return (await exit)[0];
}

describe('closeInherited()', () => {
  test('closes files, folders and sockets, and leaves the standard three and what Node needs', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'file');
    await writeFile(path, '');
    await using file = await open(path);
    await using folder = await open(directory.path);
    const [program, ...args] = PROGRAM;
    using child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit', file.fd, 'pipe', folder.fd] });
    const atEnd = once(child.stdio[4] as Readable, 'end');
    const left = await leftIn(child);
    const strays = left.filter((target) => target.startsWith(directory.path) || target.startsWith('socket:'));
    assert.deepEqual(strays, []);
    await atEnd;
    assert.equal(child.exitCode, null);
    assert.equal(await end(child), 0);
  });

  test('lets a reader of an inherited pipe see its end while the process lives', async () => {
    await using directory = await temporaryDirectory();
    const fifo = join(directory.path, 'fifo');
    await execa('mkfifo', [fifo]);
    using child = spawn('sh', ['-c', 'exec "$@" 7>"$0"', fifo, ...PROGRAM], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const atEnd = once(createReadStream(fifo).resume(), 'end');
    assert.equal((await leftIn(child)).includes(fifo), false);
    await atEnd;
    assert.equal(child.exitCode, null);
    assert.equal(await end(child), 0);
  });
});
