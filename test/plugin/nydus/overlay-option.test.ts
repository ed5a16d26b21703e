import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { parseNydusOverlay } from '../../../plugin/nydus/overlay-option.ts';

const GOOD = { source: '/boot', config: '{"a":1}', snapshotdir: '/snapshots/1' };

const optionOf = (value: unknown): string =>
  `extraoption=${Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64')}`;

describe('parseNydusOverlay()', () => {
  test('reads what nydus-snapshotter writes, beside options of the overlay', () => {
    const options = ['workdir=/work', 'lowerdir=/a:/b', optionOf(GOOD), 'volatile'];
    assert.deepEqual(parseNydusOverlay(options), GOOD);
    assert.deepEqual(parseNydusOverlay([optionOf({ ...GOOD, fs_version: '6' })]), {
      ...GOOD,
      fsVersion: '6',
    });
  });

  const { source: _, ...noSource } = GOOD;
  const cases: [string, readonly string[], string][] = [
    ['no option', ['lowerdir=/a'], 'there is none: let nydus-snapshotter make the mount'],
    ['two options', [optionOf(GOOD), optionOf(GOOD)], 'there are several'],
    ['an empty option', ['extraoption='], 'it is no base64'],
    ['what is no base64', ['extraoption={"source":"/boot"}'], 'it is no base64'],
    ['base64 of a URL', [`extraoption=${Buffer.from('a??').toString('base64url')}_-`], 'it is no base64'],
    ['what is no JSON', [optionOf('{"config": "secret')], 'it is no JSON'],
    ['what is no UTF-8', [`extraoption=${Buffer.from([0xff, 0xfe]).toString('base64')}`], 'it is no JSON'],
    ['an array', [optionOf([GOOD])], 'it: Invalid input: expected object, received array'],
    ['no source', [optionOf(noSource)], 'source: Invalid input: expected string, received undefined'],
    ['a relative source', [optionOf({ ...GOOD, source: 'boot' })], 'source: use an absolute path'],
    ['an empty config', [optionOf({ ...GOOD, config: '' })], 'config: it is empty'],
    [
      'a config that is an object',
      [optionOf({ ...GOOD, config: {} })],
      'config: Invalid input: expected string, received object',
    ],
    ['a relative directory', [optionOf({ ...GOOD, snapshotdir: 's' })], 'snapshotdir: use an absolute path'],
    ['a key that it does not know', [optionOf({ ...GOOD, verity: 'x' })], 'unknown key "verity"'],
  ];
  for (const [what, options, problem] of cases)
    test(`refuses ${what}`, () => {
      assert.throws(() => parseNydusOverlay(options), {
        name: 'StatusError',
        code: Code.InvalidArgument,
        message: `Invalid "extraoption" of a fuse.nydus-overlayfs mount: ${problem}`,
      });
    });
});
