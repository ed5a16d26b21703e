import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { startJaeger } from '../../harness/containerd/jaeger.ts';
import { leftovers } from '../../harness/leftovers.ts';
import { buildImage, rafsConfig } from '../../harness/nydus/image.ts';
import { startServe } from '../../harness/serve-process.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';

const { part, skip } = await obtainOrSkip('nydus');
const share = { sandboxId: 'sb', tag: 'work' };

// The real nydusd, a real Jaeger and no registry; needs root.
describe('Jaeger shows in the trace of a mount', { skip }, () => {
  test('that the image cannot be fetched, and why', async () => {
    await using directory = await temporaryDirectory();
    await using jaeger = await startJaeger();
    const { path } = directory;
    await using host = await startServe(path, {
      daemon: '/bin/true',
      top: `shared_fs = "virtio-fs-nydus"\n[trace]\nendpoint = "${jaeger.otlpEndpoint}"`,
      table: `[plugins."io.containerd.fsshare.v1.nydus"]
virtio_fs_daemon = "${part?.nydusd}"
virtio_fs_start_timeout_ms = 600000
nydus_mount_timeout_ms = 600000`,
    });
    await host.shares.open(share);
    const image = await buildImage(join(path, 'image'), { f: 'x' });
    const cache = join(path, 'cache');
    mkdirSync(cache);
    const config = rafsConfig(
      { type: 'registry', config: { scheme: 'http', host: '127.0.0.1:1', repo: 'app' } },
      cache,
    );
    const mountpoint = '/rafs/c1/lowerdir';
    await host.shares.mount({ ...share, source: image.bootstrap, mountpoint, config });
    const spans = await jaeger.findTraces({
      service: 'containerd-shim-virtiofs',
      operation: 'nydusd.fetch',
      until: (found) => found.some(({ name }) => name === 'nydusd.fetch'),
    });
    const [fetch, ...others] = spans.filter(({ name }) => name === 'nydusd.fetch');
    const mount = spans.find(({ name }) => name === 'mount');
    assert.ok(fetch && mount);
    assert.deepEqual(others, []);
    assert.deepEqual([fetch.traceId, fetch.parentSpanId], [mount.traceId, mount.spanId]);
    assert.equal(fetch.attributes['mount.mountpoint'], mountpoint);
    assert.equal(fetch.attributes['error.type'], 'Unavailable');
    assert.equal(mount.attributes['mount.kind'], 'rafs');
    await host.shares.close(share);
    assert.deepEqual(await leftovers(`${path}/state`), []);
  });
});
