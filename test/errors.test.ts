import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { messageOf } from '../src/errors.ts';

describe('messageOf()', () => {
  test('is the text of an error, and of whatever else was thrown', () => {
    assert.equal(messageOf(new RangeError('too far')), 'too far');
    assert.equal(messageOf('a text'), 'a text');
    assert.equal(messageOf(undefined), 'undefined');
  });

  test('names the errors in an error that says nothing itself, as of a connect to several addresses', () => {
    const refused = ['connect ECONNREFUSED ::1:1', 'connect ECONNREFUSED 127.0.0.1:1'];
    const errors = refused.map((text) => new Error(text));
    assert.equal(messageOf(new AggregateError(errors)), refused.join('; '));
    assert.equal(messageOf(new AggregateError(errors, 'all in all')), 'all in all');
  });
});
