import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { virtiofsdCArgs } from '../../../plugin/virtiofs/arguments-c.ts';
import { virtiofsdRustArgs } from '../../../plugin/virtiofs/arguments-rust.ts';
import type { VirtiofsdSettings } from '../../../plugin/virtiofs/settings.ts';

const settings: VirtiofsdSettings = {
  daemonPath: '/usr/libexec/virtiofsd',
  sourcePath: '/run/kata-shared/foo',
  cache: 'never',
  syslog: false,
  debug: false,
  readOnly: false,
  extraArgs: [],
  allowUnknownArgs: false,
  dialect: 'auto',
  startTimeoutMs: 5000,
  clientTimeoutMs: 0,
  stopTimeoutMs: 1000,
};

const line = (args: readonly string[]): string => args.join(' ');

describe('virtiofsdCArgs()', () => {
  test('is the line of Kata, with none for never', () => {
    assert.equal(
      line(virtiofsdCArgs({ ...settings, syslog: true }, 3)),
      '--syslog -o cache=none -o no_posix_lock -o source=/run/kata-shared/foo --fd=3 -f',
    );
  });

  test('passes the other cache modes on, and --syslog only when asked', () => {
    assert.equal(
      line(virtiofsdCArgs({ ...settings, cache: 'always' }, 0)),
      '-o cache=always -o no_posix_lock -o source=/run/kata-shared/foo --fd=0 -f',
    );
  });

  test('escapes what ends a value in libfuse, or begins an escape', () => {
    const sourcePath = '/srv/a,b\\c\\163\\\\,=d e';
    assert.equal(
      virtiofsdCArgs({ ...settings, sourcePath }, 0)[5],
      'source=/srv/a\\,b\\\\c\\\\163\\\\\\\\\\,=d e',
    );
  });

  test('has -d instead of -f when debugging, and extra arguments last', () => {
    const extraArgs = ['-o', 'xattr', '--thread-pool-size=1'];
    assert.equal(
      line(virtiofsdCArgs({ ...settings, cache: 'auto', debug: true, extraArgs }, 0)),
      '-o cache=auto -o no_posix_lock -o source=/run/kata-shared/foo --fd=0 -d -o xattr --thread-pool-size=1',
    );
  });
});

describe('virtiofsdRustArgs()', () => {
  test('is the line of Kata', () => {
    for (const fd of [123, 456]) {
      assert.equal(
        line(virtiofsdRustArgs({ ...settings, syslog: true }, fd)),
        `--syslog --cache=never --shared-dir=/run/kata-shared/foo --fd=${fd}`,
      );
    }
  });

  test('has --readonly and --log-level=debug when asked, and extra arguments last', () => {
    const extraArgs = ['--announce-submounts', '--sandbox=none'];
    assert.equal(
      line(virtiofsdRustArgs({ ...settings, cache: 'metadata', readOnly: true, debug: true, extraArgs }, 0)),
      '--cache=metadata --shared-dir=/run/kata-shared/foo --fd=0 --readonly --log-level=debug --announce-submounts --sandbox=none',
    );
  });

  test('leaves a source with spaces and commas as it is', () => {
    const sourcePath = '/srv/a b,c';
    assert.equal(virtiofsdRustArgs({ ...settings, sourcePath }, 0)[1], '--shared-dir=/srv/a b,c');
  });
});
