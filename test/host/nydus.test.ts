import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { createApi } from '../../plugin/nydus/api-client.ts';
import { openHost, type Host } from '../../src/host/host.ts';
import type { MountRequest } from '../../src/share/contract.ts';
import { readRecord } from '../../src/share/record.ts';
import { captureLog } from '../harness/captured-log.ts';
import { eventually } from '../harness/eventually.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { memorySpans } from '../harness/memory-spans.ts';
import { buildImage, localConfig } from '../harness/nydus/image.ts';
import { nydusPlace } from '../harness/nydus/nydus-share.ts';
import { sandboxRequest as request } from '../harness/sandbox-request.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
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
    for (const name of ['mount', 'unmount']) {
      const { attributes = {} } = spans.named(name)[0] ?? {};
      assert.deepEqual(
        ['plugin.id', 'subsystem', 'mount.kind', 'mount.source', 'mount.mountpoint', 'share.tag'].map(
          (key) => attributes[key],
        ),
        [NYDUS, 'nydus', 'rafs', image.bootstrap, mountpoint, 'work'],
      );
    }
    assert.equal(spans.named('unmount')[0]?.attributes['mount.guest_may_hold_it'], false);
    for (const step of ['start', 'wait_ready', 'stop', 'kill', 'quit'])
      assert.equal(spans.one(`nydusd.${step}`).status.code, 0, step);
  });

  test('outlives its host: the next one has it with its images, mounts more, and ends it', async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const state = join(path, 'state');
    const config = {
      version: 1 as const,
      state,
      scratch_dir: state,
      shared_fs: 'virtio-fs-nydus',
      plugins: { [NYDUS]: table },
    };
    const open = (): Promise<Host> => openHost({ config, log: captureLog().log, shares: 'outlive-process' });
    const image = await buildImage(join(path, 'image'), { f: 'x' });
    const mount = (container: string): MountRequest => ({
      source: image.bootstrap,
      mountpoint: `/rafs/${container}/lowerdir`,
      config: localConfig(image, path),
    });
    const former = await open();
    const { namespace, sandboxId, contents } = request('a', { tag: 'work' });
    const opened = await former.sandboxes.create({ namespace, sandboxId, contents, owner: 'library' });
    await opened.mount('work', mount('c1'));
    const [before] = opened.shares;
    await former.detach();

    await using host = await open();
    await host.adopted;
    const sandbox = (await host.sandboxes.find('default', 'a')) ?? assert.fail('no sandbox');
    const [share] = sandbox.shares;
    assert.ok(share && before);
    await share.ready;
    assert.deepEqual(
      [share.pid, share.socketPath, share.apiSocketPath],
      [before.pid, before.socketPath, before.apiSocketPath],
    );
    await sandbox.mount('work', mount('c1'));
    await sandbox.mount('work', mount('c2'));
    const found = await createApi(share.apiSocketPath ?? '').find({});
    assert.deepEqual([...(found?.mounts ?? [])].toSorted(), [
      '/containers',
      '/rafs/c1/lowerdir',
      '/rafs/c2/lowerdir',
    ]);
    await host.sandboxes.delete('default', 'a');
    assert.equal(isGone(share.pid), true);
    assert.deepEqual(await leftovers(state), []);
  });

  test('is adopted as well while a mount holds up its API, or when its API socket has vanished', async () => {
    await using place = await nydusPlace({
      virtio_fs_stop_timeout_ms: 300,
      virtio_fs_start_timeout_ms: 3000,
    });
    for (const tag of ['held', 'vanished']) {
      await using own = await place.open({ tag });
      await own.share.ready;
      const pipe = join(place.directory.path, tag);
      if (tag === 'vanished') rmSync(own.share.apiSocketPath ?? '');
      else {
        await execa('mkfifo', [pipe]);
        void own.mount({ ...place.mountOf('slow'), source: pipe }).catch(() => {});
        await eventually('its API is held up', () =>
          own.api.find({ signal: AbortSignal.timeout(300) }).then(
            () => false,
            () => true,
          ),
        );
      }
      const record = readRecord(place.context.stateDir.share('default', 'a', tag));
      const { daemon } = record ?? {};
      assert.ok(record && daemon);
      // Long ago, as a host is that another one follows.
      const startedAt = new Date(Date.now() - 60_000).toISOString();
      const adopted = await place.provider.adoptShare?.({ ...record, daemon: { ...daemon, startedAt } }, {});
      assert.ok(adopted);
      await adopted.ready;
      assert.equal(adopted.status().state, 'waiting');
      assert.equal(isGone(adopted.pid), false);
      await adopted[Symbol.asyncDispose]();
      assert.equal(isGone(adopted.pid), true);
    }
    assert.deepEqual(await leftovers(place.state), []);
  });
});
