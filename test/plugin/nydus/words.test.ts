import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explainEnd, levelOf, wordsOf } from '../../../plugin/nydus/words.ts';

describe('levelOf()', () => {
  test('reads the level that nydusd writes, and knows the words of its argument parser', () => {
    const at = '[2026-11-26 00:21:52.641435 +00:00]';
    assert.equal(levelOf(`${at} INFO RAFS filesystem imported`), 'info');
    assert.equal(levelOf(`${at} WARN [/fs.rs:1] it is late`), 'warn');
    assert.equal(levelOf(`${at} ERROR [/fs.rs:1] it is broken`), 'error');
    assert.equal(levelOf("error: Found argument '--nonsense' which wasn't expected"), 'error');
    assert.equal(levelOf("thread 'main' panicked at src/main.rs:1"), 'error');
    assert.equal(levelOf('Usage: nydusd virtiofs [OPTIONS] --sock <sock>'), 'info');
  });
});

const url = (host: string, port: string): string =>
  `Url { scheme: "http", cannot_be_a_base: false, username: "", password: None, host: Some(${host}), port: ${port}, ` +
  'path: "/v2/app/blobs/sha256:1", query: None, fragment: None }';

describe('wordsOf()', () => {
  test('leaves out when and where, and writes URLs as people do', () => {
    const at = '[2026-11-26 00:21:52.641435 +00:00]';
    assert.equal(wordsOf(`${at} ERROR [/src/fs.rs:1] it is "broken"`), 'it is "broken"');
    assert.equal(
      wordsOf(`\t"failed, Request(reqwest::Error { kind: Request, ${url('Ipv4(127.0.0.1)', 'Some(1)')} })"`),
      'failed, Request(reqwest::Error { kind: Request, http://127.0.0.1:1/v2/app/blobs/sha256:1 })',
    );
    assert.equal(
      wordsOf(`\t${url('Domain(\\"hub.example\\")', 'None').replaceAll(/(?<!\\)"/g, '\\"')}`),
      'http://hub.example/v2/app/blobs/sha256:1',
    );
    assert.equal(wordsOf('x'.repeat(600)).length, 500);
  });
});

describe('levelOf() of an error of several lines', () => {
  test('is that of the line which says what it is', () => {
    const lines = [
      '[2026-11-26 00:37:26.735014 +00:00] ERROR [/nydus-error-0.2.3/src/error.rs:22] Error:',
      '\t"failed to read metadata for blob dae01fc1 from backend, Request(…)"',
      '\tat /src/nydus-storage-0.6.2/src/meta/mod.rs:675',
      '\tnote: enable `RUST_BACKTRACE=1` env to display a backtrace',
    ];
    assert.deepEqual(lines.map(levelOf), ['info', 'error', 'info', 'info']);
  });

  test('is none where its VMM has left', () => {
    const lines = [
      '\tHandleRequest(PartialMessage)',
      '\tHandleRequest(Disconnected)',
      '[2026-11-26 00:40:48.302514 +00:00] ERROR [/nydus-service-0.2.0/src/daemon.rs:432] failed to wait daemon: failed to wait daemon, ',
    ];
    assert.deepEqual(lines.map(levelOf), ['info', 'info', 'info']);
  });
});

describe('explainEnd()', () => {
  test('finds the line that says why', () => {
    const lastLines = ["error: Found argument '--x'", 'Usage: nydusd', "For more information try '--help'"];
    assert.deepEqual(explainEnd({ exitCode: 2, lastLines }), {
      cause: 'usage',
      words: "error: Found argument '--x'",
    });
    assert.deepEqual(explainEnd({ signal: 'SIGKILL', lastLines: [] }), { words: undefined });
    const panic = ["thread 'main' panicked at src/main.rs:1:", 'it is broken'];
    assert.deepEqual(explainEnd({ exitCode: 101, lastLines: panic }), { cause: 'crashed', words: panic[0] });
    assert.equal(explainEnd({ exitCode: 0, lastLines: [] }).cause, 'disconnected');
  });
});
