import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explainEnd, levelOf } from '../../../plugin/virtiofs/words.ts';

// The lines are those of the C virtiofsd 7.2 and the Rust virtiofsd 1.14.
const WAITING = 'virtio_session_mount: Waiting for vhost-user socket connection...';
const C_ENTRY = 'virtio_loop: Entry';
const C_INTERRUPTED = 'virtio_loop: ppoll interrupted, going around';
const C_FAREWELL = 'virtio_loop: Unexpected poll revents 11';
const LIMIT =
  '[2026-11-25T22:04:36Z WARN  virtiofsd::limits] Failure when trying to set the limit to 1000000, the hard limit (20000) of open file descriptors is used instead.';
const USAGE = [
  '',
  'Usage: virtiofsd --shared-dir <SHARED_DIR> --socket-path <SOCKET_PATH> [OPTIONS]',
  '',
  "For more information, try '--help'.",
].filter(Boolean);

describe('levelOf()', () => {
  const lines: [level: string, line: string][] = [
    ['error', '[2026-11-25T22:04:36Z ERROR virtiofsd] /nonexist does not exist'],
    ['warn', LIMIT],
    ['info', '[2026-11-25T22:04:39Z INFO  virtiofsd] Waiting for vhost-user socket connection...'],
    ['info', '[2026-11-25T22:04:39Z DEBUG virtiofsd::server] Replying ERROR, header: unique: 4'],
    ['error', "error: unexpected argument '--no-such' found"],
    ['error', "fuse: unknown option(s): `-o nosuch'"],
    ['error', 'failed to stat source ("/nonexist"): No such file or directory'],
    ['error', 'source is not a directory'],
    ['error', "Can't enable posix ACLs. xattrs are disabled."],
    ['error', 'vhost socket bind: No such file or directory'],
    ['error', 'timeout is negative (-1.000000)'],
    ['info', WAITING],
    ['info', 'virtio_loop: Unexpected poll revents 11'],
    ['error', 'virtio_loop: Unexpected poll revents 8'],
    ['info', '[2026-11-25 22:04:36.123] [ID: 00000007]    unique: 4, error: -2 (No such file or directory)'],
    ['info', 'virtio_session_mount: Received vhost-user socket connection'],
  ];
  for (const [level, line] of lines)
    test(`is ${level} for: ${line.slice(0, 70)}`, () => assert.equal(levelOf(line), level));
});

describe('explainEnd()', () => {
  const ends: [what: string, lines: string[], words: string | undefined][] = [
    [
      'the line of the argument parser, not its last one',
      ["error: invalid value 'foo' for '--sandbox <SANDBOX>': Unknown sandbox mode", ...USAGE],
      "error: invalid value 'foo' for '--sandbox <SANDBOX>': Unknown sandbox mode",
    ],
    [
      'what that line goes on with',
      [
        'error: the following required arguments were not provided:',
        '  --shared-dir <SHARED_DIR>',
        '  --fd <FD>',
        ...USAGE,
      ],
      'error: the following required arguments were not provided: --shared-dir <SHARED_DIR>, --fd <FD>',
    ],
    [
      'the last error, whatever comes behind it',
      [
        '[2026-11-25T22:04:36Z ERROR virtiofsd] the first',
        '[2026-11-25T22:04:36Z ERROR virtiofsd] the second',
        LIMIT,
        '[2026-11-25T22:04:36Z INFO  virtiofsd] Client disconnected, shutting down',
      ],
      '[2026-11-25T22:04:36Z ERROR virtiofsd] the second',
    ],
    [
      'a panic with its message',
      [
        "thread 'main' panicked at src/main.rs:700:9:",
        'assertion failed: ret == 0',
        'note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace',
      ],
      "thread 'main' panicked at src/main.rs:700:9: assertion failed: ret == 0",
    ],
    [
      'the error of the C one, before what follows from it',
      [WAITING, 'vhost socket accept: Invalid argument', 'virtio_loop: Exit'],
      'vhost socket accept: Invalid argument',
    ],
    ['the last line where none is an error', ['one', 'two'], 'two'],
    ['nothing where there is no line', [], undefined],
  ];
  for (const [what, lastLines, words] of ends) {
    test(`says ${what}`, () => {
      assert.equal(explainEnd({ exitCode: 1, lastLines }).words, words);
    });
  }

  test('takes the codes of the Rust one for the signal that ended its worker, or its words where they are unknown', () => {
    const signals = [1, 2, 101, 192, 225, 245, 247].map(
      (exitCode) => explainEnd({ exitCode, lastLines: [] }).workerSignal,
    );
    const none = undefined;
    assert.deepEqual(signals, [none, none, none, none, 'SIGSYS', 'SIGSEGV', 'SIGKILL']);
    assert.equal(explainEnd({ exitCode: 0, lastLines: [] }).workerSignal, undefined);
    assert.equal(explainEnd({ signal: 'SIGKILL', lastLines: [] }).workerSignal, undefined);
    const lastLines = ['[2026-11-26T00:17:39Z ERROR virtiofsd::util] Child process terminated by signal 31'];
    assert.equal(explainEnd({ lastLines }).workerSignal, 'SIGSYS');
    assert.equal(explainEnd({ lastLines: [] }).workerSignal, undefined);
  });

  const RUST = '[2026-11-25T22:04:36Z INFO  virtiofsd] ';
  const causes: [cause: string, status: { exitCode?: number; signal?: string }, ...lastLines: string[]][] = [
    ['disconnected', { exitCode: 0 }, WAITING, C_ENTRY, C_FAREWELL, 'virtio_loop: Exit'],
    ['disconnected', {}, WAITING, C_ENTRY, C_FAREWELL, 'virtio_loop: Exit'],
    ['disconnected', { exitCode: 0 }],
    ['disconnected', { exitCode: 0 }, C_ENTRY, C_INTERRUPTED, C_FAREWELL, 'virtio_loop: Exit'],
    ['crashed', { exitCode: 0 }, WAITING, C_ENTRY, C_INTERRUPTED, 'virtio_loop: Exit'],
    ['crashed', { exitCode: 0 }, WAITING, C_ENTRY],
    ['failed', {}, WAITING, C_ENTRY, C_INTERRUPTED, 'virtio_loop: Exit'],
    ['failed', {}, WAITING, C_ENTRY],
    ['crashed', { exitCode: 0 }, `[2026-11-25 22:04:36.123] [ID: 00000007] ${C_INTERRUPTED}`],
    ['disconnected', {}, `${RUST}Client disconnected, shutting down`],
    ['failed', {}, `${RUST}Client connected, servicing requests`],
    ['failed', {}],
    ['usage', { exitCode: 2 }, "error: unexpected argument '--no-such' found", 'Usage: virtiofsd'],
    ['usage', {}, "error: unexpected argument '--no-such' found", 'Usage: virtiofsd'],
    ['usage', { exitCode: 1 }, "fuse: unknown option(s): `--no-such'"],
    ['crashed', { exitCode: 1 }, '[2026-11-26T00:17:39Z ERROR virtiofsd::util] Error during waitpid()'],
    ['failed', { exitCode: 1 }, WAITING, 'vhost socket accept: Interrupted system call'],
  ];
  for (const [cause, status, ...lastLines] of causes) {
    test(`takes ${JSON.stringify(status)} after ${lastLines.at(-1) ?? 'nothing'} for ${cause}`, () => {
      assert.equal(explainEnd({ ...status, lastLines }).cause, cause);
    });
  }

  test('has no words for a signal but those of an error', () => {
    const lastLines = ['one', C_ENTRY];
    assert.equal(explainEnd({ signal: 'SIGKILL', lastLines }).words, undefined);
    assert.equal(explainEnd({ exitCode: 1, lastLines }).words, undefined);
    const panic = ["thread 'main' panicked at a:1:2:", 'no', 'two'];
    assert.equal(explainEnd({ signal: 'SIGABRT', lastLines: panic }).words, `${panic[0]} no`);
  });
});
