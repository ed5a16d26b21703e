import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { KEPT_LINES, openOutput } from '../../src/daemon/output.ts';
import { eventually } from '../harness/eventually.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

describe('openOutput()', () => {
  test('calls back for each line that is appended, without being asked', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'daemon.log');
    const lines: string[] = [];
    using _ = openOutput(path, (line) => lines.push(line));
    appendFileSync(path, 'one\ntwo\nthr');
    await eventually('two lines came', () => lines.length === 2);
    appendFileSync(path, 'ee\n');
    await eventually('the third line came', () => lines.length === 3);
    assert.deepEqual(lines, ['one', 'two', 'three']);
  });

  test('says once that it cannot be read, and throws nothing', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'daemon.log');
    const lines: string[] = [];
    using output = openOutput(path, (line) => lines.push(line));
    closeSync(output.fd);
    const sameNumber = openSync('/dev/null', 'w');
    assert.equal(sameNumber, output.fd);
    output.drain();
    output.drain({ final: true });
    assert.deepEqual(lines, ['(the output cannot be read: EBADF: bad file descriptor, read)']);
  });

  test('passes on an unfinished line only at the end', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'daemon.log');
    const lines: string[] = [];
    using output = openOutput(path, (line) => lines.push(line));
    appendFileSync(path, 'no end');
    output.drain();
    assert.deepEqual(lines, []);
    output.drain({ final: true });
    assert.deepEqual(lines, ['no end']);
  });

  test('masks a line before it is kept or told, also one that was there already', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'daemon.log');
    writeFileSync(path, 'old secret\n');
    const [lines, former]: [string[], string[]] = [[], []];
    using output = openOutput(path, (line) => lines.push(line), {
      mask: (line) => line.replace('secret', '…'),
      onFormerLine: (line) => former.push(line),
    });
    appendFileSync(path, 'new secret\n');
    output.drain();
    assert.deepEqual([former, lines, output.lastLines], [['old …'], ['new …'], ['old …', 'new …']]);
  });

  test('leaves out what colours a line, and shows every other escape', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'daemon.log');
    const lines: string[] = [];
    using output = openOutput(path, (line) => lines.push(line));
    appendFileSync(path, '\u001b[1;38;5;196mERROR\u001b[0m: no\u001b[2J such file\n');
    output.drain();
    assert.deepEqual(lines, ['ERROR: no\\x1b[2J such file']);
  });

  test('keeps a character whole whose bytes come apart', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'daemon.log');
    const lines: string[] = [];
    using output = openOutput(path, (line) => lines.push(line));
    const [first, ...rest] = Buffer.from('é\n');
    appendFileSync(path, Buffer.from([first as number]));
    output.drain();
    appendFileSync(path, Buffer.from(rest));
    output.drain();
    assert.deepEqual(lines, ['é']);
  });

  test('leaves out what stood in the file before', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'daemon.log');
    writeFileSync(path, 'of an earlier daemon\n');
    const lines: string[] = [];
    using output = openOutput(path, (line) => lines.push(line));
    appendFileSync(path, 'new\n');
    output.drain();
    assert.deepEqual(lines, ['new']);
  });

  test('keeps the newest lines and cuts long ones', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'daemon.log');
    using output = openOutput(path, () => {});
    appendFileSync(path, `${Array.from({ length: 50 }, (_, index) => `line ${index}`).join('\n')}\n`);
    appendFileSync(path, `${'x'.repeat(200_000)}\n`);
    output.drain();
    assert.equal(output.lastLines.length, KEPT_LINES);
    assert.equal(output.lastLines[0], 'line 31');
    assert.equal(output.lastLines.at(-1), 'x'.repeat(8192));
  });

  test('empties the file when it has grown large, and goes on reading', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'daemon.log');
    const lines: string[] = [];
    using output = openOutput(path, (line) => lines.push(line));
    for (let round = 0; round < 3; round++) {
      appendFileSync(path, `${'y'.repeat(999)}\n`.repeat(600));
      output.drain();
    }
    assert.equal(lines.length, 1800);
    assert.equal(statSync(path).size < 1 << 20, true);
    appendFileSync(path, 'after\n');
    output.drain();
    assert.equal(lines.at(-1), 'after');
  });

  test('keeps the last words of a flood that it cuts off', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'daemon.log');
    const lines: string[] = [];
    using output = openOutput(path, (line) => lines.push(line));
    appendFileSync(path, 'the first line\n');
    output.drain();
    appendFileSync(path, `${`${'y'.repeat(1023)}\n`.repeat(9 << 10)}the last line\n`);
    output.drain();
    output.drain();
    assert.equal(lines[0], 'the first line');
    assert.equal(lines.at(-1), 'the last line');
    assert.equal(statSync(path).size, 0);
    assert.equal(
      lines.filter((line) => line.endsWith('the daemon writes faster than they are read)')).length > 0,
      true,
    );
  });

  test('says how much it left out of a flood', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'daemon.log');
    const lines: string[] = [];
    using output = openOutput(path, (line) => lines.push(line));
    appendFileSync(path, `${'z'.repeat(99)}\n`.repeat(30_000));
    output.drain();
    assert.match(lines[0] ?? '', /^\(\d+ bytes of output left out: /);
    assert.equal(lines.length <= (1 << 20) / 100 + 1, true);
    assert.equal(statSync(path).size, 0);
  });

  test('closes its descriptor on disposal, twice is no error', async () => {
    await using directory = await temporaryDirectory();
    const before = readdirSync('/proc/self/fd').length;
    const output = openOutput(join(directory.path, 'daemon.log'), () => {});
    const { fd } = output;
    output[Symbol.dispose]();
    output[Symbol.dispose]();
    assert.throws(() => fstatSync(fd), { code: 'EBADF' });
    output.drain();
    // The one descriptor of inotify stays with the event loop.
    assert.equal(readdirSync('/proc/self/fd').length <= before + 1, true);
  });
});
