import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { SpanStatusCode } from '@opentelemetry/api';
import { openHost } from '../../src/host/host.ts';
import type { MountRequest } from '../../src/share/contract.ts';
import { captureLog } from '../harness/captured-log.ts';
import { eventually } from '../harness/eventually.ts';
import { leftovers } from '../harness/leftovers.ts';
import { memorySpans } from '../harness/memory-spans.ts';
import { startBrokenRegistry } from '../harness/nydus/broken-registry.ts';
import { buildImage, rafsConfig, type RafsImage } from '../harness/nydus/image.ts';
import { pushImage } from '../harness/nydus/push-image.ts';
import { startRegistry } from '../harness/nydus/registry.ts';
import { sandboxRequest } from '../harness/sandbox-request.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { obtainOrSkip } from '../setup/obtain.ts';

const { part, skip } = await obtainOrSkip('nydus');
const NYDUS = 'io.containerd.fsshare.v1.nydus';
/** As htpasswd(1) writes `geheim`. */
const HTPASSWD = 'operator:$2b$05$abcdefghijklmnopqrstuuVWu8RjbNovPZWAMRdd7iqaaG0mI53Uu\n';

const WRONG = Buffer.from('operator:falsch').toString('base64');

// The real nydusd and a real registry; needs root.
describe('an image whose registry does not give it', { skip }, () => {
  test('is an error in the trace of its mount, whose span has kind, source, place and size', async () => {
    await using spans = await memorySpans();
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await using registry = await startRegistry();
    await using locked = await startRegistry({ htpasswd: HTPASSWD });
    await using truncates = await startBrokenRegistry('truncates');
    await using silent = await startBrokenRegistry('silent');
    const state = join(path, 'state');
    const captured = captureLog();
    await using host = await openHost({
      log: captured.log,
      config: {
        version: 1,
        state,
        scratch_dir: state,
        shared_fs: 'virtio-fs-nydus',
        plugins: {
          [NYDUS]: {
            virtio_fs_daemon: part?.nydusd,
            virtio_fs_start_timeout_ms: 600_000,
            virtio_fs_stop_timeout_ms: 300,
            nydus_mount_timeout_ms: 600_000,
          },
        },
      },
    });
    const sandbox = await host.sandboxes.create(sandboxRequest('a', { tag: 'work' }));
    const image = await buildImage(join(path, 'image'), { f: 'of the image\n' });
    await pushImage(image, { host: registry.host, repository: 'app' });
    const cutOff = await buildImage(join(path, 'cut-off'), { f: 'of an image that is cut off\n' });
    const mountOf = (name: string, change: object, { bootstrap } = image): MountRequest => {
      const cache = join(path, name);
      mkdirSync(cache);
      const config = { scheme: 'http', repo: 'app', timeout: 600, connect_timeout: 600, ...change };
      return {
        source: bootstrap,
        mountpoint: `/rafs/${name}/lowerdir`,
        config: rafsConfig({ type: 'registry', config }, cache),
      };
    };
    const missing = await buildImage(join(path, 'missing-image'), { f: 'of an image that is not there\n' });
    const denied = await buildImage(join(path, 'denied-image'), { f: 'of an image that is locked away\n' });
    // Some reasons come without the registry's name: those images have blobs of their own.
    const broken: Readonly<Record<string, readonly [change: object, reason: RegExp, image?: RafsImage]>> = {
      denied: [{ host: locked.host, auth: WRONG }, /UNAUTHORIZED/, denied],
      missing: [{ host: registry.host }, /BLOB_UNKNOWN/, missing],
      truncated: [{ host: truncates.host }, /IncompleteBody/, cutOff],
      down: [{ host: '127.0.0.1:1' }, /Connection refused/],
      silent: [{ host: silent.host, timeout: 1, connect_timeout: 1 }, /TimedOut/],
    };
    await sandbox.mount('work', mountOf('good', { host: registry.host }));
    for (const [name, [change, , other]] of Object.entries(broken))
      await sandbox.mount('work', mountOf(name, change, other));
    const spanOf = (name: string, mountpoint: string): (typeof spans.all)[number] | undefined =>
      spans.named(name).findLast(({ attributes }) => attributes['mount.mountpoint'] === mountpoint);
    for (const [name, [, reason]] of Object.entries(broken)) {
      const mountpoint = `/rafs/${name}/lowerdir`;
      await eventually(`nydusd says so of "${name}"`, () => spanOf('nydusd.fetch', mountpoint) !== undefined);
      const [mount, fetch] = [spanOf('mount', mountpoint), spanOf('nydusd.fetch', mountpoint)];
      assert.ok(mount && fetch);
      assert.equal(fetch.parentSpanContext?.spanId, mount.spanContext().spanId);
      assert.equal(fetch.status.code, SpanStatusCode.ERROR);
      assert.match(fetch.status.message ?? '', reason);
      const lines = captured.withMessage(fetch.status.message ?? '');
      assert.deepEqual(
        lines.map(({ level, sandbox: id, share, trace_id: trace, span_id: span }) => [
          level,
          id,
          share,
          trace,
          span,
        ]),
        [['error', 'a', 'work', mount.spanContext().traceId, fetch.spanContext().spanId]],
      );
    }
    const mount = spanOf('mount', '/rafs/good/lowerdir');
    assert.equal(spanOf('nydusd.fetch', '/rafs/good/lowerdir'), undefined);
    assert.deepEqual(
      ['kind', 'options', 'source', 'mountpoint'].map((key) => mount?.attributes[`mount.${key}`]),
      ['rafs', 'ro', image.bootstrap, '/rafs/good/lowerdir'],
    );
    assert.equal(Number(mount?.attributes['mount.bytes']) > 0, true);
    await host.sandboxes.delete('default', 'a');
    assert.deepEqual(await leftovers(state), []);
  });
});
