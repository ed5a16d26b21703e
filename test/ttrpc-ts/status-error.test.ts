import assert from 'node:assert/strict';
import test from 'node:test';
import { Code, codeName, StatusError } from 'ttrpc-ts';
import { toStatusError } from '../../src/ttrpc-ts/src/error-status.ts';

test('StatusError.is() recognises the class of another copy of the package', async () => {
  const specifier = '../../src/ttrpc-ts/src/status-error.ts?copy';
  const copy = (await import(specifier)) as { StatusError: typeof StatusError };
  const error = new copy.StatusError(Code.NotFound, 'gone');
  assert.equal(error instanceof StatusError, false);
  assert.ok(StatusError.is(error));
});

test('StatusError.is() refuses what only looks alike', () => {
  for (const value of [new Error('plain'), { code: 5, message: 'x' }, null, undefined, 'StatusError']) {
    assert.equal(StatusError.is(value), false);
  }
});

test('StatusError keeps code, message, cause and details', () => {
  const cause = new Error('why');
  const detail = { $typeName: 'google.protobuf.Any', typeUrl: 'a', value: new Uint8Array([1]) } as const;
  const error = new StatusError(Code.Aborted, 'stopped', { cause, details: [detail] });
  assert.equal(error.name, 'StatusError');
  assert.equal(error.cause, cause);
  assert.deepEqual(error.details, [detail]);
  assert.equal(String(error), 'StatusError: Aborted: stopped');
  assert.equal('cause' in new StatusError(Code.Aborted, 'stopped'), false);
});

test('codeName() names known codes and numbers unknown ones', () => {
  assert.equal(codeName(Code.DeadlineExceeded), 'DeadlineExceeded');
  assert.equal(codeName(99), 'Code(99)');
});

const errno = (code: string): Error => Object.assign(new Error(`${code}: it failed`), { code });
const named = (name: string, cause?: unknown): Error =>
  Object.assign(new Error('aborted', cause === undefined ? {} : { cause }), { name });

const translations: [string, unknown, Code, string][] = [
  ['ENOENT to NotFound', errno('ENOENT'), Code.NotFound, 'ENOENT: it failed'],
  ['EEXIST to AlreadyExists', errno('EEXIST'), Code.AlreadyExists, 'EEXIST: it failed'],
  ['EACCES to PermissionDenied', errno('EACCES'), Code.PermissionDenied, 'EACCES: it failed'],
  ['AbortError to Canceled', named('AbortError'), Code.Canceled, 'aborted'],
  ['TimeoutError to DeadlineExceeded', named('TimeoutError'), Code.DeadlineExceeded, 'aborted'],
  [
    'AbortError to what aborted it',
    named('AbortError', new StatusError(4, 'late')),
    Code.DeadlineExceeded,
    'late',
  ],
  ['a wrapped StatusError to its code', named('Error', new StatusError(5, 'in')), Code.NotFound, 'aborted'],
  ['any other error to Unknown', new TypeError('broken'), Code.Unknown, 'broken'],
  ['a thrown string to Unknown', 'oops', Code.Unknown, 'oops'],
  [
    'an object without prototype to Unknown',
    Object.create(null),
    Code.Unknown,
    'The handler threw a value that cannot be shown',
  ],
  ['a StatusError of code Ok to Unknown', new StatusError(Code.Ok, 'fine'), Code.Unknown, 'fine'],
];

for (const [name, thrown, code, message] of translations) {
  test(`toStatusError() translates ${name}`, () => {
    const error = toStatusError(thrown);
    assert.equal(error.code, code);
    assert.equal(error.message, message);
    assert.equal(error.cause, thrown);
  });
}

test('toStatusError() keeps a StatusError as it is', () => {
  const error = new StatusError(Code.NotFound, 'gone');
  assert.equal(toStatusError(error), error);
});

test('toStatusError() ends on causes that lead in a circle', () => {
  const first = new Error('first');
  first.cause = new Error('second', { cause: first });
  assert.equal(toStatusError(first).code, Code.Unknown);
});
