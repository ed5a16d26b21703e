import assert from 'node:assert/strict';
import test from 'node:test';
import { Code, Metadata } from 'ttrpc-ts';

test('Metadata.get() finds a key in any case and returns its first value', () => {
  const metadata = new Metadata([
    ['Foo', 'one'],
    ['foo', 'two'],
  ]);
  assert.equal(metadata.get('FOO'), 'one');
  assert.deepEqual(metadata.getAll('fOO'), ['one', 'two']);
});

test('Metadata.get() returns undefined for a key that is not there', () => {
  const metadata = new Metadata({ foo: 'bar' });
  assert.equal(metadata.get('bar'), undefined);
  assert.deepEqual(metadata.getAll('bar'), []);
  assert.equal(metadata.has('bar'), false);
});

test('Metadata.set() replaces every value and without values deletes the key', () => {
  const metadata = new Metadata({ foo: ['one', 'two'] });
  metadata.set('Foo', 'three', 'four');
  assert.deepEqual(metadata.getAll('foo'), ['three', 'four']);
  metadata.set('FOO');
  assert.equal(metadata.has('foo'), false);
  assert.equal(metadata.size, 0);
});

test('Metadata.append() adds values and without values changes nothing', () => {
  const metadata = new Metadata().append('foo', 'one').append('FOO', 'two', 'three').append('bar');
  assert.deepEqual(
    [...metadata],
    [
      ['foo', 'one'],
      ['foo', 'two'],
      ['foo', 'three'],
    ],
  );
});

test('Metadata.clone() shares nothing with its original', () => {
  const original = new Metadata({ foo: ['one'] });
  const copy = original.clone();
  copy.append('foo', 'two').set('bar', 'new');
  assert.deepEqual([...original], [['foo', 'one']]);
  original.delete('foo');
  assert.deepEqual(copy.getAll('foo'), ['one', 'two']);
});

test('Metadata.fromWire() keeps the case of keys, so that only iteration finds an upper-case one', () => {
  const metadata = Metadata.fromWire([
    ['FOO', 'hidden'],
    ['foo', 'found'],
    ['foo', 'again'],
  ]);
  assert.deepEqual(metadata.getAll('FOO'), ['found', 'again']);
  assert.deepEqual(
    [...metadata],
    [
      ['FOO', 'hidden'],
      ['foo', 'found'],
      ['foo', 'again'],
    ],
  );
});

test('new Metadata() accepts a record, pairs and another Metadata', () => {
  const pairs: [string, string][] = [
    ['a', '1'],
    ['a', '2'],
  ];
  for (const init of [{ a: ['1', '2'] }, pairs, new Metadata(pairs)]) {
    assert.deepEqual([...new Metadata(init)], pairs);
  }
});

for (const [value, type] of [
  [undefined, 'undefined'],
  [null, 'null'],
  [5, 'number'],
] as const) {
  test(`Metadata refuses a value that is ${type}, and names its key`, () => {
    const wrong = value as unknown as string;
    const message = `Cannot use metadata "a": its value is ${type}, not a string`;
    const expected = { code: Code.InvalidArgument, message };
    assert.throws(() => new Metadata({ a: wrong }), expected);
    assert.throws(() => new Metadata({ a: ['', wrong] }), expected);
    assert.throws(() => new Metadata([['a', wrong]]), expected);
    assert.throws(() => new Metadata().append('a', wrong), expected);
    assert.throws(() => new Metadata().set('a', wrong), expected);
  });
}
