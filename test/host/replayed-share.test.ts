import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, StatusError } from 'ttrpc-ts';
import type { CheckedShare } from '../../src/host/checked-share.ts';
import { ReplayedShare } from '../../src/host/replayed-share.ts';
import { captureLog, type LogLine } from '../harness/captured-log.ts';

/** A share that waits for its VMM, and is there no longer than a test. */
const PLAIN: CheckedShare = {
  tag: 'work',
  socketPath: '/v.sock',
  sharedDir: '/shared',
  queueSize: 1024,
  pid: 1,
  ready: Promise.resolve(),
  closed: new Promise(() => {}),
  onExit: 'respawn',
  status: () => ({ ...PLAIN, state: 'waiting', lastLines: [] }),
  onChange: () => ({ [Symbol.dispose]() {} }),
  async [Symbol.asyncDispose]() {},
};

/** What is logged when the replay of an adopted share fails. */
async function toldOf(error: Error): Promise<readonly LogLine[]> {
  const { log, lines } = captureLog();
  const replay = {
    hasLost: () => true,
    async run(): Promise<void> {
      throw error;
    },
  };
  const share = new ReplayedShare(PLAIN, { replay, log, adopted: true });
  await share.ready;
  assert.equal(share.status().state, 'waiting');
  return lines;
}

describe('ReplayedShare', () => {
  test('says why it gave up to mount again what it had, and is ready', async () => {
    const [line, ...others] = await toldOf(new Error('no space left'));
    assert.deepEqual([line?.level, line?.msg], ['error', 'Cannot mount again what a share had']);
    assert.match(JSON.stringify(line), /no space left/);
    assert.deepEqual(others, []);
  });

  test('says nothing of it when it is being closed', async () => {
    assert.deepEqual(await toldOf(new StatusError(Code.Canceled, 'Share "work" is being closed')), []);
  });
});
