import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { readRecord } from '../../src/share/record.ts';
import { leftovers } from '../harness/leftovers.ts';
import { memorySpans } from '../harness/memory-spans.ts';
import { buildImage, localConfig } from '../harness/nydus/image.ts';
import { sandboxRequest as request } from '../harness/sandbox-request.ts';
import { openTestHost } from '../harness/test-host.ts';
import { obtainOrSkip } from '../setup/obtain.ts';

const { part, skip } = await obtainOrSkip('nydus');
const NYDUS = 'io.containerd.fsshare.v1.nydus';
const table = {
  virtio_fs_daemon: part?.nydusd,
  virtio_fs_start_timeout_ms: 600_000,
  virtio_fs_stop_timeout_ms: 300,
};

// The real nydusd, which needs root.
describe('a sandbox with shared_fs = "virtio-fs-nydus"', { skip }, () => {
  test('is served by nydusd, beside one of virtiofsd, and mounts an image', async () => {
    await using spans = await memorySpans();
    await using own = await openTestHost({
      config: { shared_fs: 'virtio-fs-nydus', plugins: { [NYDUS]: table } },
    });
    const { host, path } = own;
    const sandbox = await host.sandboxes.create(
      request('a', { tag: 'work' }, { tag: 'plain', sharedFs: 'virtio-fs' }),
    );
    const [share, plain] = sandbox.shares;
    await Promise.all([share?.ready, plain?.ready]);
    assert.match(share?.apiSocketPath ?? '', /\.api$/);
    assert.equal(share?.status().apiSocketPath, share?.apiSocketPath);
    assert.equal(plain?.apiSocketPath, undefined);

    const image = await buildImage(join(path, 'image'), { f: 'x' });
    const mountpoint = '/rafs/c1/lowerdir';
    await sandbox.mount('work', {
      source: image.bootstrap,
      mountpoint,
      config: localConfig(image, path),
    });
    const mountsOf = (): unknown =>
      readRecord(host.stateDir.share('default', 'a', 'work'))?.mounts.map((mount) => mount.mountpoint);
    assert.deepEqual(mountsOf(), [mountpoint]);
    await sandbox.unmount('work', mountpoint);
    assert.deepEqual(mountsOf(), []);
    await assert.rejects(sandbox.mount('plain', { source: image.bootstrap, mountpoint }), {
      code: Code.InvalidArgument,
      message: /^Invalid mountpoint "\/rafs\/c1\/lowerdir": /,
    });

    await host.sandboxes.delete('default', 'a');
    assert.deepEqual(await leftovers(own.state), []);
    for (const name of ['mount', 'unmount'])
      assert.equal(spans.named(name)[0]?.attributes['plugin.id'], NYDUS);
    for (const step of ['start', 'wait_ready', 'stop', 'kill', 'quit'])
      assert.equal(spans.one(`nydusd.${step}`).status.code, 0, step);
  });
});
