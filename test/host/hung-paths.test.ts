import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { readShares } from '../../src/services/shim/bundle.ts';
import { hungFileSystem } from '../harness/hung-file-system.ts';
import { leftovers } from '../harness/leftovers.ts';
import { sandboxRequest } from '../harness/sandbox-request.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { openTestHost, VIRTIOFS } from '../harness/test-host.ts';

// These mount, and so need root.

const impatient = { virtio_fs_start_timeout_ms: 500 };

describe('a host', () => {
  test('opens the shares of others while more than it has slots hang on their sources', async () => {
    await using own = await openTestHost({ virtiofs: impatient });
    await using hung = await hungFileSystem();
    const { sandboxes } = own.host;
    const link = join(own.path, 'link');
    await symlink(hung.path, link);
    const sources = [hung.path, `${hung.path}/a`, link, `${link}/b`];
    const hanging = sources.map((source, index) =>
      sandboxes.create(sandboxRequest(`hangs-${index}`, { tag: 'work', source })),
    );
    const outcomes = Promise.allSettled(hanging);
    const { shares } = await sandboxes.create(sandboxRequest('well', { tag: 'work', source: own.source }));
    assert.equal(shares.length, 1);
    for (const outcome of await outcomes) {
      assert.equal(outcome.status, 'rejected');
      const { code, message } = outcome.reason as { code: Code; message: string };
      assert.equal(code, Code.DeadlineExceeded);
      assert.match(
        message,
        /^Cannot start share "work": ".*" does not answer within \d+ ms: its file system/,
      );
    }
    // A thread that waits there would be missed by this.
    await Promise.all(Array.from({ length: 8 }, () => readdir(own.path)));
    await sandboxes.delete('default', 'well');
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('gives up a daemon whose program hangs', async () => {
    await using directory = await temporaryDirectory();
    await using hung = await hungFileSystem();
    for (const virtio_fs_dialect of ['rust', 'auto']) {
      const virtiofs = { ...impatient, virtio_fs_dialect };
      await using own = await openTestHost({ daemon: `${hung.path}/${virtio_fs_dialect}`, virtiofs });
      const request = sandboxRequest('a', { tag: 'work', source: directory.path });
      await assert.rejects(own.host.sandboxes.create(request), { code: Code.DeadlineExceeded });
    }
  });

  test('gives up configurations and plugin folders that hang, and says where', async () => {
    await using own = await openTestHost();
    await using hung = await hungFileSystem();
    const file = `${hung.path}/config.toml`;
    const asked = [own.host.profileOf(file), own.host.profileOf(`${file}-2`)].map((profile) =>
      assert.rejects(profile, {
        name: 'ConfigError',
        code: Code.InvalidArgument,
        message: /^Invalid configuration ".*\/hung\/config\.toml.*": ".*" .*does not answer/,
      }),
    );
    const spec = assert.rejects(readShares(hung.path), { message: /does not answer/ });
    const plugins = openTestHost({ config: { plugin_dirs: [hung.path] } });
    await assert.rejects(plugins, {
      name: 'ConfigError',
      message:
        /^Invalid manifest ".*\/hung": the directory cannot be read \(".*\/hung" does not answer within 5000 ms/,
    });
    await Promise.all([...asked, spec]);
  });

  test('refuses a configuration that is a FIFO or a device', async () => {
    await using own = await openTestHost({ config: { plugins: { [VIRTIOFS]: {} } } });
    const fifo = join(own.path, 'fifo');
    execFileSync('mkfifo', [fifo]);
    for (const path of [fifo, '/dev/zero']) {
      await assert.rejects(own.host.profileOf(path), {
        name: 'ConfigError',
        message: `Invalid configuration "${path}": "${path}" is not a regular file`,
      });
    }
  });
});
