import assert from 'node:assert/strict';
import { cp, open, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { systemStatus } from '../../src/proc/system-error.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

const thrownBy = async (action: () => Promise<unknown>): Promise<unknown> =>
  action().then(
    () => assert.fail('nothing was thrown'),
    (error: unknown) => error,
  );

describe('systemStatus()', () => {
  test('tells what was to be done, why not, where, and the remedy', async () => {
    const error = await thrownBy(() => readFile('/nonexistent/file'));
    const status = systemStatus(error, { doing: 'Cannot do it', path: '/elsewhere' });
    assert.equal(status?.code, Code.NotFound);
    assert.equal(
      status.message,
      'Cannot do it: ENOENT: no such file or directory: "/nonexistent/file": create it first',
    );
    assert.equal(status.cause, error);
  });

  test('takes the path of the caller where the error has none', async () => {
    await using full = await open('/dev/full', 'w');
    const error = await thrownBy(() => full.write('x'));
    assert.match(
      systemStatus(error, { doing: 'Cannot do it', path: '/dev/full' })?.message ?? '',
      /^Cannot do it: ENOSPC: no space left on device: "\/dev\/full": free space/,
    );
  });

  test('takes what it does not know as Unknown, without a remedy', async () => {
    await using directory = await temporaryDirectory();
    const fifo = join(directory.path, 'fifo');
    await execa('mkfifo', [fifo]);
    const ofCopy = await thrownBy(() => cp(fifo, join(directory.path, 'copy')));
    const status = systemStatus(ofCopy, { doing: 'Cannot copy' });
    assert.equal(status?.code, Code.Unknown);
    assert.match(status.message, /^Cannot copy: .*fifo/i);
    const socket = connect(join(directory.path, 'none'));
    const [refused] = (await once(socket, 'close').catch((error: unknown) => [error])) as [unknown];
    assert.equal(systemStatus(refused, { doing: 'Cannot connect' })?.code, Code.NotFound);
  });

  test('is undefined for what is no error of the system', () => {
    for (const error of [
      new Error('plain'),
      Object.assign(new Error('x'), { code: 'ERR_INVALID_ARG_VALUE' }),
      'text',
      undefined,
    ])
      assert.equal(systemStatus(error, { doing: 'x' }), undefined);
  });
});
