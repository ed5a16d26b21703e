import assert from 'node:assert/strict';
import { constants, existsSync, openSync, readdirSync, readlinkSync, readSync, closeSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { openLogFifo, type LogFifo } from '../../../src/services/shim/log-fifo.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

/** Longer than what a pipe takes at once or not at all, so that one is torn. */
const lineOf = (number: number): string => `${number} ${'x'.repeat(9000)}\n`;

const lossLine = (lost: number): string => `lost ${lost}\n`;

/** Reads what is there. */
function readAll(fd: number): string {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = Buffer.alloc(1 << 16);
    try {
      const length = readSync(fd, chunk);
      if (length === 0) break;
      chunks.push(chunk.subarray(0, length));
    } catch {
      break; // EAGAIN: no more
    }
  }
  return Buffer.concat(chunks).toString();
}

/** A FIFO that is read when the test says so. */
async function fifoIn(directory: string): Promise<{ path: string; openReader: () => number }> {
  const path = join(directory, 'log');
  await execa('mkfifo', [path]);
  return { path, openReader: () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK) };
}

function open(path: string): LogFifo {
  const fifo = openLogFifo(path, lossLine);
  assert.ok(fifo, `"${path}" is a FIFO that somebody reads`);
  return fifo;
}

/** How many descriptors of this process are open for a path. */
const descriptorsOf = (path: string): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  }).length;

describe('openLogFifo()', () => {
  test('writes lines to who reads, and closes', async () => {
    await using directory = await temporaryDirectory();
    const { path, openReader } = await fifoIn(directory.path);
    const reader = openReader();
    const fifo = open(path);
    fifo.write('one\n');
    fifo.write('two\n');
    assert.equal(readAll(reader), 'one\ntwo\n');
    fifo[Symbol.dispose]();
    fifo[Symbol.dispose]();
    fifo.write('three\n');
    assert.equal(readAll(reader), '');
    closeSync(reader);
    assert.equal(descriptorsOf(path), 0);
  });

  test('drops what a full one does not take, and tells how much, behind whole lines', async () => {
    await using directory = await temporaryDirectory();
    const { path, openReader } = await fifoIn(directory.path);
    const reader = openReader();
    using fifo = open(path);
    for (let number = 0; number < 20; number++) fifo.write(lineOf(number));
    let text = readAll(reader);
    fifo.write('then\n');
    text += readAll(reader);
    closeSync(reader);
    const lines = text.trimEnd().split('\n');
    const kept = lines.slice(0, -2);
    assert.deepEqual(
      kept.map((line) => `${line}\n`),
      kept.map((_, number) => lineOf(number)),
    );
    assert.ok(kept.length > 0 && kept.length < 20, `${kept.length} were kept`);
    assert.deepEqual(lines.slice(-2), [`lost ${20 - kept.length}`, 'then']);
  });

  test('goes on when somebody reads again after nobody did', async () => {
    await using directory = await temporaryDirectory();
    const { path, openReader } = await fifoIn(directory.path);
    const first = openReader();
    using fifo = open(path);
    closeSync(first);
    fifo.write('one\n');
    fifo.write('two\n');
    const second = openReader();
    fifo.write('three\n');
    fifo.write('four\n');
    assert.equal(readAll(second), 'lost 2\nthree\nfour\n');
    closeSync(second);
  });

  test('opens nothing but a FIFO that somebody reads', async () => {
    await using directory = await temporaryDirectory();
    const { path, openReader } = await fifoIn(directory.path);
    const file = join(directory.path, 'file');
    await writeFile(file, 'text');
    await mkdir(join(directory.path, 'directory'));
    const link = join(directory.path, 'link');
    await symlink(path, link);
    for (const other of [
      path,
      file,
      link,
      join(directory.path, 'directory'),
      join(directory.path, 'nothing'),
    ]) {
      assert.equal(openLogFifo(other, lossLine), undefined);
      assert.equal(descriptorsOf(other), 0);
    }
    const reader = openReader();
    assert.equal(openLogFifo(link, lossLine), undefined);
    assert.equal(descriptorsOf(path), 1);
    closeSync(reader);
    assert.equal(existsSync(join(directory.path, 'nothing')), false);
  });
});
