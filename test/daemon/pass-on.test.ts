import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { maskLine } from '../../src/daemon/pass-on.ts';
import type { DaemonTraits } from '../../src/daemon/spec.ts';
import { captureLog } from '../harness/captured-log.ts';

const traits: DaemonTraits = {
  name: 'exampled',
  socket: 'own',
  socketPath: '/nowhere/exampled.sock',
  outputPath: '/nowhere/exampled.log',
  ready: { settleMs: 1 },
  startTimeoutMs: 1,
  stopTimeoutMs: 1,
};

const mask = (): string => {
  throw new Error('broken');
};

describe('maskLine()', () => {
  test('has nobody read a line that cannot be masked', () => {
    const { log, withMessage } = captureLog();
    const parts = { spec: { ...traits, mask }, log, process: { identity: { pid: 1 } } };
    assert.equal(maskLine('secret', parts), '(a line is left out: it cannot be masked)');
    assert.equal(withMessage('Cannot mask the output of exampled')[0]?.level, 'error');
    assert.equal(maskLine('plain', { ...parts, spec: traits }), 'plain');
  });
});
