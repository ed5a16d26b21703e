import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseConfig } from '../../../src/config/read.ts';
import { configSchema } from '../../../plugin/nydus/config.ts';
import { openFileLimit } from '../../../plugin/nydus/open-files.ts';

const limits = (hard: string): string =>
  `Limit   Soft   Hard\nMax open files            1024     ${hard}    files\n`;

const problemOf = (table: Record<string, unknown>): string => {
  const { success, error } = configSchema.safeParse(table);
  if (success) assert.fail('it was taken');
  return error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
};

describe("the nydus plugin's table", () => {
  test('has defaults that need no configuration', () => {
    assert.deepEqual(configSchema.parse({}), {
      daemonPath: undefined,
      queueSize: 1024,
      extraArgs: [],
      debug: false,
      startTimeoutMs: 5000,
      stopTimeoutMs: 1000,
      onExit: 'stop-sandbox',
      mountTimeoutMs: 30_000,
      registryAuthFile: undefined,
      registryAuthEnv: undefined,
    });
  });

  test('takes no queue that is longer than that of nydusd', () => {
    assert.equal(configSchema.parse({ virtio_fs_queue_size: 256 }).queueSize, 256);
    for (const size of [1, 3, 2048]) assert.match(problemOf({ virtio_fs_queue_size: size }), /^virtio_fs_q/);
  });

  test('takes no extra arguments that are the shim’s to set, however they are written', () => {
    const { extraArgs } = configSchema.parse({ virtio_fs_extra_args: ['--log-rotation-size', '10'] });
    assert.deepEqual(extraArgs, ['--log-rotation-size', '10']);
    for (const arg of [
      '--sock',
      '--apisock=/x',
      '-A',
      '-A/x',
      '--hybrid-mode',
      '-ldebug',
      '--bootstrap=/x',
    ]) {
      const problem = problemOf({ virtio_fs_extra_args: ['--log-rotation-size=1', arg] });
      assert.match(problem, /^virtio_fs_extra_args\.1: "-{1,2}[a-zA-Z-]+" is not for extra arguments: /);
    }
  });

  test('is that of the provider that Kata’s shared_fs names', () => {
    const config = parseConfig({ version: 1, shared_fs: 'virtio-fs-nydus' });
    assert.equal(config.sharedFs, 'virtio-fs-nydus');
  });
});

test('openFileLimit() is what nydusd wants, at most the hard limit', () => {
  assert.equal(openFileLimit(limits('20000')), 20_000);
  assert.equal(openFileLimit(limits('1073741816')), 1_000_000);
  assert.equal(openFileLimit(limits('unlimited')), 1_000_000);
});
