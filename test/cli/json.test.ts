import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { jsonOf, jsonText } from '../../src/cli/json.ts';
import { ShareSchema } from '../../src/proto/share/shares_pb.ts';
import { fakeShare } from '../harness/fake-shares.ts';

describe('jsonOf()', () => {
  test('has zero, false and empty, and not what is unknown', () => {
    assert.deepEqual(
      jsonOf(ShareSchema, fakeShare({ pid: 0, exit: { cause: 'crashed', signal: 'SIGSEGV' } })),
      {
        namespace: 'default',
        sandboxId: 'sb1',
        tag: 'work',
        state: 'waiting',
        pid: 0,
        socketPath: '/run/s/0123456789abcdef.sock',
        sharedDir: '/srv/data',
        readOnly: false,
        queueSize: 1024,
        sharedFs: 'virtio-fs',
        owner: 'api',
        adopted: false,
        createdAt: '2023-11-14T22:13:20Z',
        exit: { cause: 'crashed', message: '', signal: 'SIGSEGV' },
        lastLines: [],
        restarts: 0,
      },
    );
  });
});

describe('jsonText()', () => {
  const value = { tag: '\x1b[2J\u009b2J\u202e\u007f"\\' };

  test('steers no terminal and is still the value', () => {
    for (const form of ['line', 'document'] as const) {
      const text = jsonText(value, form);
      // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
      assert.doesNotMatch(text.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f\u202e]/);
      assert.deepEqual(JSON.parse(text), value);
    }
  });

  test('is a line where a line is asked for', () => {
    assert.equal(jsonText({ a: [1] }, 'line'), '{"a":[1]}\n');
    assert.equal(jsonText({ a: [1] }, 'document'), '{\n  "a": [\n    1\n  ]\n}\n');
  });
});
