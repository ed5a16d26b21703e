import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explainExit, type Circumstances } from '../../src/daemon/cause.ts';
import {
  describeEnd,
  isFailure,
  UNKNOWN_SIGNAL,
  type DaemonEnd,
  type EndMeaning,
} from '../../src/daemon/exit.ts';
import { EXIT_CAUSES, type ExitCause } from '../../src/errors.ts';

const known: Circumstances = {
  spec: {
    name: 'exampled',
    socket: 'own',
    socketPath: '/nowhere/exampled.sock',
    outputPath: '/nowhere/exampled.log',
    ready: { line: /Waiting/ },
    startTimeoutMs: 1,
    clientTimeoutMs: 7,
    clientTimeoutRemedy: 'raise it',
    stopTimeoutMs: 1,
  },
  pid: 2 ** 30,
  command: '/nowhere/exampled',
  asked: undefined,
  isStarting: false,
  memoryKills: 0,
  uptimeMs: 1,
};

const ends: [
  what: string,
  end: Omit<DaemonEnd, 'lastLines'>,
  meaning: EndMeaning,
  circumstances: Partial<Circumstances>,
  cause: ExitCause,
  message: string,
][] = [
  [
    'a stop',
    { exitCode: 1 },
    { cause: 'failed' },
    { asked: 'stopped' },
    'stopped',
    'exited with code 1: it was stopped',
  ],
  [
    'a stop that a signal ended',
    { signal: 'SIGKILL' },
    {},
    { asked: 'stopped', memoryKills: 1 },
    'stopped',
    'was killed by SIGKILL: it was stopped',
  ],
  [
    'a VMM that did not come',
    { exitCode: 1 },
    {},
    { asked: 'no-client' },
    'no-client',
    'exited with code 1: no VMM connected to "/nowhere/exampled.sock" within 7 ms: check that the VMM runs and was given this socket, or raise it',
  ],
  [
    'a VMM that left',
    { exitCode: 0 },
    { cause: 'disconnected' },
    {},
    'disconnected',
    'exited with code 0: its VMM has left',
  ],
  [
    'a VMM that left a daemon that stays, and has to be killed',
    { signal: 'SIGKILL' },
    {},
    { asked: 'disconnected', memoryKills: 1 },
    'disconnected',
    'was killed by SIGKILL: its VMM has left',
  ],
  [
    'a signal, whatever its plugin says',
    { signal: 'SIGSEGV' },
    { cause: 'disconnected' },
    {},
    'crashed',
    'was killed by SIGSEGV',
  ],
  [
    "its worker's signal",
    { exitCode: 245 },
    { workerSignal: 'SIGSEGV', words: 'so it is' },
    {},
    'crashed',
    'exited with code 245, its worker killed by SIGSEGV: so it is',
  ],
  [
    "its worker's signal that nobody knows",
    { exitCode: 1 },
    { workerSignal: UNKNOWN_SIGNAL },
    {},
    'crashed',
    'exited with code 1, its worker killed by an unknown signal',
  ],
  [
    'a filter',
    { signal: 'SIGSYS' },
    {},
    {},
    'seccomp',
    'was killed by SIGSYS: its seccomp filter forbids a system call',
  ],
  [
    "its worker's filter",
    { exitCode: 225 },
    { workerSignal: 'SIGSYS' },
    {},
    'seccomp',
    'exited with code 225, its worker killed by SIGSYS: its seccomp filter forbids a system call',
  ],
  [
    'a signal that is not for memory',
    { signal: 'SIGSEGV' },
    {},
    { memoryKills: 1 },
    'crashed',
    'was killed by SIGSEGV',
  ],
  [
    'arguments',
    { exitCode: 2 },
    { cause: 'usage', words: 'no' },
    { isStarting: true },
    'usage',
    'exited with code 2: no',
  ],
  [
    'an end before it waits',
    { exitCode: 3 },
    { words: 'no' },
    { isStarting: true },
    'start-failed',
    'exited with code 3: no',
  ],
  [
    'an end with 0 before it waits',
    { exitCode: 0 },
    { cause: 'disconnected', words: 'version 1' },
    { isStarting: true },
    'start-failed',
    'exited with code 0: version 1',
  ],
  ['an end later', { exitCode: 3 }, { words: 'no' }, {}, 'failed', 'exited with code 3: no'],
  [
    'an end that nobody saw',
    {},
    { cause: 'disconnected' },
    {},
    'disconnected',
    'ended with an unknown status: its VMM has left',
  ],
  ['an end that nobody saw or explains', {}, {}, {}, 'failed', 'ended with an unknown status'],
];

describe('explainExit()', () => {
  for (const [what, end, meaning, circumstances, cause, message] of ends) {
    test(`names the cause of ${what}`, () => {
      const exit = explainExit({ ...end, lastLines: ['a line'] }, meaning, { ...known, ...circumstances });
      assert.deepEqual([exit.cause, exit.message], [cause, `exampled ${message}`]);
    });
  }

  test('takes an end with 0 as its VMM having left where its output does not reach us', () => {
    const spec = { ...known.spec, ready: { settleMs: 50 } };
    const end = { exitCode: 0, lastLines: [] };
    const exit = explainExit(end, { cause: 'disconnected' }, { ...known, spec, isStarting: true });
    assert.equal(exit.cause, 'disconnected');
  });
});

describe('describeEnd()', () => {
  test('is what JSON can hold, without what nobody knows', () => {
    const exit = explainExit({ lastLines: ['one'] }, {}, known);
    const { exitedAt, ...rest } = JSON.parse(JSON.stringify(describeEnd(exit))) as Record<string, unknown>;
    assert.deepEqual(rest, { cause: 'failed', message: 'exampled ended with an unknown status' });
    assert.equal(exitedAt, exit.exitedAt.toISOString());
    const whole = describeEnd({ ...exit, exitCode: 0, signal: 'SIGHUP' });
    assert.deepEqual([whole.exitCode, whole.signal], [0, 'SIGHUP']);
  });
});

describe('isFailure()', () => {
  test('is true of all but a stop and a VMM that left', () => {
    assert.deepEqual(
      EXIT_CAUSES.filter((cause) => !isFailure(cause)),
      ['stopped', 'disconnected'],
    );
  });
});
