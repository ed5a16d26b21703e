import {
  adoptShare,
  Code,
  openShare,
  StatusError,
  type CreateProvider,
} from 'containerd-shim-virtiofs/plugin';
import type { NydusConfig } from './config.ts';
import { describeAdopted, describeNydusd, requireDaemon } from './nydusd.ts';
import { mountRafs, unmountRafs } from './rafs.ts';

/** The provider of `virtio-fs-nydus` shares: one nydusd each, which mounts images besides the shared directory. */
export const createProvider: CreateProvider<NydusConfig> = (context) => {
  const { config } = context;
  return {
    async check(shares, { signal }) {
      for (const share of shares) refuseReadOnly(share);
      await requireDaemon(config, { signal });
    },
    async openShare(request, { signal }) {
      refuseReadOnly(request);
      return openShare(context, request, {
        queueSize: config.queueSize,
        onExit: config.onExit,
        signal,
        sourceTimeoutMs: config.startTimeoutMs,
        daemon: (paths) => describeNydusd(config, paths),
      });
    },
    adoptShare: (record) =>
      adoptShare(context, record, {
        daemon: (paths) => describeAdopted(config, paths, new Date(record.daemon?.startedAt ?? 0)),
        respawned: (paths) => describeNydusd(config, paths),
      }),
    mount: (share, request, { signal }) => mountRafs(share, request, { ...config, signal }),
    async remount(share, request, { signal }) {
      await mountRafs(share, request, { ...config, signal });
    },
    unmount: (share, mountpoint, { signal }) => unmountRafs(share, mountpoint, { ...config, signal }),
  };
};

function refuseReadOnly({ tag, readOnly }: { readonly tag: string; readonly readOnly: boolean }): void {
  if (!readOnly) return;
  const message = `Share "${tag}": nydusd has no read-only shares: use "virtio-fs" for it`;
  throw new StatusError(Code.Unimplemented, message);
}
