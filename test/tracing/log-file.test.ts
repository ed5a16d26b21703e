import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { openLogFile } from '../../src/tracing/log-file.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { smallFileSystem } from '../harness/small-file-system.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

const LINE = `${JSON.stringify({ level: 'info', msg: 'x'.repeat(4000) })}\n`;

/** The whole lines: a file system may be full in the middle of one. */
const linesOf = (textOfLog: string): { msg: string; lost?: number; reason?: string }[] =>
  textOfLog
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { msg: string });

/** A descriptor of a fresh file. */
function openFile(path: string): { fd: number } & Disposable {
  const fd = openSync(path, 'a');
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

describe('openLogFile()', () => {
  test('on a full file system keeps lines, then loses them, and says how many when it can again', async () => {
    await using small = await smallFileSystem(4 << 20);
    const path = join(small.path, 'log');
    using file = openFile(path);
    using log = openLogFile(file.fd, { hasReserve: true });
    log.write(LINE);
    small.fill();
    const written = 1000;
    for (let index = 0; index < written; index++) log.write(LINE);
    small.free();
    const tellsLoss = (): boolean =>
      linesOf(readFileSync(path, 'utf8')).some(({ lost }) => lost !== undefined);
    await eventually('the loss is told', tellsLoss);
    const lines = linesOf(readFileSync(path, 'utf8'));
    const [loss, ...more] = lines.filter(({ lost }) => lost !== undefined);
    assert.deepEqual([loss?.reason, more], ['ENOSPC', []]);
    const kept = lines.filter(({ msg }) => msg.startsWith('xxx')).length;
    assert.ok(kept > 1 && kept < 1 + written, `${kept}`);
    assert.equal(kept + (loss?.lost ?? 0), 1 + written);
    assert.equal(lines.filter(({ msg }) => msg.endsWith('its reserve is in use')).length, 1);
    await eventually('there is a reserve again', () => existsSync(`${path}.reserve`));
    log[Symbol.dispose]();
    assert.equal(existsSync(`${path}.reserve`), false);
  });

  test('with a reserve writes what a full file system would not take', async () => {
    await using small = await smallFileSystem(4 << 20);
    const path = join(small.path, 'log');
    using file = openFile(path);
    using log = openLogFile(file.fd, { hasReserve: true });
    small.fill();
    for (let index = 0; index < 9; index++) log.write(LINE);
    const starts = linesOf(readFileSync(path, 'utf8')).map(({ msg }) => msg.slice(0, 3));
    assert.deepEqual(starts.toSorted(), ['The', ...Array.from({ length: 9 }, () => 'xxx')]);
  });

  test('never waits for a pipe that nobody reads, and writes on when it is read', async () => {
    const child = spawn(process.execPath, ['--no-warnings', fixture('logs-much.ts')], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const exit = once(child, 'exit');
    // It says on its output how many lines it has written, before anybody reads its log.
    const [count] = (await once(child.stdout, 'data')) as [Buffer];
    const log = text(child.stderr);
    child.stdin.end();
    assert.deepEqual(await exit, [0, null]);
    const lines = linesOf(await log);
    const lost = lines.reduce((sum, line) => sum + (line.lost ?? 0), 0);
    assert.equal(lines.filter((line) => line.lost === undefined).length + lost, Number(count));
    assert.ok(lost > 0);
  });

  test('reopen() goes on in a new file of the same name', async () => {
    await using directory = await temporaryDirectory();
    const [path, rotated] = [join(directory.path, 'log'), join(directory.path, 'log.1')];
    using file = openFile(path);
    using log = openLogFile(file.fd);
    log.write('one\n');
    renameSync(path, rotated);
    log.write('two\n');
    log.reopen();
    log.write('three\n');
    log.reopen();
    log.write('four\n');
    assert.deepEqual(
      [readFileSync(rotated, 'utf8'), readFileSync(path, 'utf8')],
      ['one\ntwo\n', 'three\nfour\n'],
    );
    assert.equal(existsSync(`${path}.reserve`), false);
  });
});
