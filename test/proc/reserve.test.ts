import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createReserve } from '../../src/proc/reserve.ts';
import { smallFileSystem } from '../harness/small-file-system.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

const BYTES = 64 * 1024;

describe('createReserve()', () => {
  test('use() writes on a full file system with the room that it held, once', async () => {
    await using small = await smallFileSystem(1 << 20);
    const path = join(small.path, 'reserve');
    const reserve = createReserve(path, BYTES);
    assert.equal(reserve.hold(), true);
    small.fill();
    const record = join(small.path, 'record');
    assert.throws(() => writeFileSync(record, 'x'.repeat(9000)), { code: 'ENOSPC' });
    reserve.use(() => writeFileSync(record, 'y'.repeat(9000)));
    assert.equal(readFileSync(record, 'utf8'), 'y'.repeat(9000));
    assert.equal(existsSync(path), false);
    small.fill();
    assert.throws(() => reserve.use(() => appendFileSync(record, 'x'.repeat(9000))), { code: 'ENOSPC' });
    assert.equal(reserve.hold(), false);
    assert.equal(existsSync(path), false);
    small.free();
    assert.equal(reserve.hold(), true);
    assert.equal(statSync(path).size, BYTES);
  });

  test('use() leaves it be for another error, and disposal frees it', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'reserve');
    using reserve = createReserve(path, BYTES);
    reserve.hold();
    assert.throws(() => reserve.use(() => readFileSync(join(directory.path, 'none'))), { code: 'ENOENT' });
    assert.equal(existsSync(path), true);
    reserve[Symbol.dispose]();
    assert.equal(existsSync(path), false);
  });
});
