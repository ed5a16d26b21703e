import { mkdirSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { createApi } from '../../../plugin/nydus/api-client.ts';
import type { Sandbox } from '../../../src/host/contract.ts';
import { openHost, type Host } from '../../../src/host/host.ts';
import type { MountRequest, Share } from '../../../src/share/contract.ts';
import { readRecord, writeRecord, type ShareRecord } from '../../../src/share/record.ts';
import { shareFiles } from '../../../src/share/state-directory.ts';
import { obtain } from '../../setup/obtain.ts';
import { captureLog, type CapturedLog } from '../captured-log.ts';
import { eventually } from '../eventually.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { VIRTIOFS, virtiofsTable } from '../test-host.ts';
import { buildImage, rafsConfig } from './image.ts';

const NYDUS = 'io.containerd.fsshare.v1.nydus';

/** A host on a node's state, and its sandbox `a`, whose share `work` is one of nydusd. */
export interface NydusHost extends AsyncDisposable {
  readonly host: Host;
  readonly sandbox: Sandbox;
  readonly share: Share;
  /** Kills the share's nydusd, and waits until another one is there; it may have still to become ready. */
  replaceDaemon(): Promise<void>;
  /** What nydusd says that is mounted in it, but for the shared directory. */
  mounted(): Promise<string[]>;
}

/** Hosts of one state directory, one after the other, that respawn. Disposal removes the directory. */
export interface NydusNode extends AsyncDisposable {
  readonly state: string;
  readonly path: string;
  readonly captured: CapturedLog;
  /** Opens the next host. Its disposal ends its shares, if it was not detached. */
  open(options?: { readonly daemon?: string }): Promise<NydusHost>;
  /** An image's mount on `/rafs/<container>/lowerdir`, with a bootstrap of its own. */
  imageOf(container: string, backend?: object): Promise<MountRequest>;
  record(): ShareRecord;
  writeRecord(record: ShareRecord): void;
}

/** Makes one. */
export async function nydusNode(table: Record<string, unknown> = {}): Promise<NydusNode> {
  const { nydusd } = await obtain('nydus');
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const captured = captureLog();
  const state = join(path, 'state');
  const files = shareFiles(join(state, 'sandboxes/default/a/work'));
  const image = await buildImage(join(path, 'image'), { f: 'of the image\n' });
  const cache = join(path, 'cache');
  mkdirSync(cache);
  const nydus = {
    virtio_fs_daemon: nydusd,
    virtio_fs_on_exit: 'respawn',
    virtio_fs_start_timeout_ms: 600_000,
    virtio_fs_stop_timeout_ms: 300,
    nydus_mount_timeout_ms: 600_000,
    ...table,
  };
  const own = stack.move();
  return {
    state,
    path,
    captured,
    async open({ daemon = 'waits' } = {}) {
      const plugins = { [NYDUS]: nydus, [VIRTIOFS]: virtiofsTable(daemon) };
      const host = await openHost({
        config: { version: 1, state, scratch_dir: state, shared_fs: 'virtio-fs-nydus', plugins },
        log: captured.log,
        shares: 'outlive-process',
      });
      return openOn(host);
    },
    async imageOf(container, backend = { type: 'localfs', config: { dir: image.blobs } }) {
      const source = join(path, `bootstrap-${container}`);
      await copyFile(image.bootstrap, source);
      return { source, mountpoint: `/rafs/${container}/lowerdir`, config: rafsConfig(backend, cache) };
    },
    record: () => readRecord(files) ?? assert.fail('no record'),
    writeRecord: (record) => writeRecord(files, record),
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

async function openOn(host: Host): Promise<NydusHost> {
  await host.adopted;
  const name = { namespace: 'default', sandboxId: 'a' };
  const sandbox =
    (await host.sandboxes.find('default', 'a')) ??
    (await host.sandboxes.create({ ...name, owner: 'library', contents: { shares: [{ tag: 'work' }] } }));
  const share = sandbox.shares.find(({ tag }) => tag === 'work') ?? assert.fail('no share');
  return {
    host,
    sandbox,
    share,
    async replaceDaemon() {
      const { pid } = share;
      process.kill(pid, 'SIGKILL');
      await eventually('there is another one', () => share.pid !== pid);
    },
    async mounted() {
      const found = await createApi(share.apiSocketPath ?? '').find({});
      const mounts = [...(found?.mounts ?? assert.fail('nobody answers'))];
      return mounts.filter((mountpoint) => mountpoint !== '/containers').toSorted();
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}
