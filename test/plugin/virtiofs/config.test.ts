import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { configSchema } from '../../../plugin/virtiofs/config.ts';

const messagesOf = (input: unknown): string[] =>
  (configSchema.safeParse(input).error?.issues ?? []).map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  );

describe('configSchema', () => {
  test('completes an empty table', () => {
    assert.deepEqual(configSchema.parse({}), {
      daemonPath: undefined,
      dialect: 'auto',
      cache: 'auto',
      queueSize: 1024,
      extraArgs: [],
      allowUnknownArgs: false,
      syslog: false,
      debug: false,
      startTimeoutMs: 5000,
      clientTimeoutMs: 0,
      stopTimeoutMs: 1000,
      mountTimeoutMs: 10_000,
      onExit: 'stop-sandbox',
    });
  });

  test('takes what Kata passes by default', () => {
    assert.deepEqual(
      messagesOf({
        virtio_fs_extra_args: ['--thread-pool-size=1', '--announce-submounts', '-o', 'xattr,no_flock'],
      }),
      [],
    );
  });

  test('refuses arguments that would take socket or directory out of our hands, in each spelling', () => {
    const taken = [
      ['--fd=5'],
      ['--fd', '5'],
      ['--socket-path=/tmp/s'],
      ['--shared-dir', '/'],
      ['--shared-dir=/'],
      ['--version'],
      ['-o', 'source=/'],
      ['-o', 'xattr,source=/'],
      ['-osource=/'],
      ['-o=source=/'],
      ['-o', 'vhost_user_socket=/tmp/s'],
      ['-h'],
      ['-V'],
    ];
    for (const virtio_fs_extra_args of taken) {
      assert.equal(messagesOf({ virtio_fs_extra_args }).length >= 1, true, virtio_fs_extra_args.join(' '));
    }
    assert.deepEqual(messagesOf({ virtio_fs_extra_args: ['--xattr', '--fd=5'] }), [
      'virtio_fs_extra_args.1: this argument is set by the shim; leave it out',
    ]);
  });

  test('refuses what neither virtiofsd takes, or the one that it is said to be', () => {
    const table = { virtio_fs_extra_args: ['-o', 'max_idle_threads=4'] };
    assert.deepEqual(messagesOf(table), []);
    assert.deepEqual(messagesOf({ ...table, virtio_fs_dialect: 'c' }), []);
    assert.match(
      messagesOf({ ...table, virtio_fs_dialect: 'rust' }).join('\n'),
      /^virtio_fs_extra_args\.1: virtiofsd has no option "max_idle_threads" that is known here: .*"virtio_fs_allow_unknown_args"$/,
    );
    const unknown = { virtio_fs_extra_args: ['--brand-new=1'], virtio_fs_dialect: 'rust' };
    assert.equal(messagesOf(unknown).length, 1);
    assert.deepEqual(messagesOf({ ...unknown, virtio_fs_allow_unknown_args: true }), []);
    const taken = {
      virtio_fs_extra_args: ['--brand-new', '--shared-dir=/'],
      virtio_fs_allow_unknown_args: true,
    };
    assert.deepEqual(messagesOf(taken), [
      'virtio_fs_extra_args.1: this argument is set by the shim; leave it out',
    ]);
  });

  test('refuses a queue size that is no power of two, a relative daemon and times of 0', () => {
    assert.deepEqual(messagesOf({ virtio_fs_queue_size: 1000 }), [
      'virtio_fs_queue_size: use a power of two',
    ]);
    assert.deepEqual(messagesOf({ virtio_fs_daemon: 'virtiofsd' }), [
      'virtio_fs_daemon: use an absolute path',
    ]);
    assert.equal(messagesOf({ virtio_fs_stop_timeout_ms: 0 }).length, 1);
    assert.equal(messagesOf({ virtio_fs_client_timeout_ms: -1 }).length, 1);
    assert.equal(messagesOf({ virtio_fs_start_timeout_ms: 1.5 }).length, 1);
    assert.equal(messagesOf({ virtio_fs_cache: 'none' }).length, 1);
  });

  test('refuses to wait so long for a VMM of whose coming nothing would be known', () => {
    const limit = { virtio_fs_client_timeout_ms: 1000 };
    assert.deepEqual(messagesOf(limit), []);
    for (const silence of [{ virtio_fs_syslog: true }, { virtio_fs_extra_args: ['--log-level=error'] }]) {
      assert.deepEqual(messagesOf(silence), []);
      assert.deepEqual(messagesOf({ ...limit, ...silence }), [
        "virtio_fs_client_timeout_ms: it needs virtiofsd's output: leave out virtio_fs_syslog and extra arguments about logs, or use 0",
      ]);
    }
  });

  test('leaves an empty daemon path to the check that Kata has for it', () => {
    assert.deepEqual(messagesOf({ virtio_fs_daemon: '' }), []);
  });
});
