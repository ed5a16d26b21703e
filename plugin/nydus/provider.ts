import {
  adoptShare,
  Code,
  openShare,
  StatusError,
  type CreateProvider,
  type Share,
  type ShareRequest,
} from 'containerd-shim-virtiofs/plugin';
import type { NydusConfig } from './config.ts';
import { createImages, type Images } from './images.ts';
import { describeAdopted, describeNydusd, requireDaemon } from './nydusd.ts';
import { KIND, mountRafs, unmountRafs, type ShareWithImages } from './rafs.ts';
import { listRecorded } from './same-image.ts';

/** The provider of `virtio-fs-nydus` shares: one nydusd each, which mounts images besides the shared directory. */
export const createProvider: CreateProvider<NydusConfig> = (context) => {
  const { config, log } = context;
  const imagesOf = new WeakMap<Share, Images>();
  const find = (share: Share): ShareWithImages => ({
    share,
    images: imagesOf.get(share) ?? createImages(log),
  });
  const keep = async (
    { sandboxId, tag }: Pick<ShareRequest, 'sandboxId' | 'tag'>,
    open: (images: Images) => Promise<Share>,
  ): Promise<Share> => {
    const images = createImages(log.child({ sandbox: sandboxId, share: tag }));
    const share = await open(images);
    imagesOf.set(share, images);
    return share;
  };
  return {
    mountKind: KIND,
    async check(shares, { signal }) {
      for (const share of shares) refuseReadOnly(share);
      await requireDaemon(config, { signal });
    },
    async openShare(request, { signal }) {
      refuseReadOnly(request);
      return keep(request, (images) =>
        openShare(context, request, {
          queueSize: config.queueSize,
          onExit: config.onExit,
          signal,
          sourceTimeoutMs: config.startTimeoutMs,
          daemon: (paths) => describeNydusd(config, paths, { onLine: images.onLine }),
        }),
      );
    },
    adoptShare: (record) =>
      keep(record, async (images) => {
        const { onLine } = images;
        const adopting = adoptShare(context, record, {
          daemon: (paths) =>
            describeAdopted(config, paths, { startedAt: new Date(record.daemon?.startedAt ?? 0), onLine }),
          respawned: (paths) => describeNydusd(config, paths, { onLine }),
        });
        const [share] = await Promise.all([adopting, listRecorded(images, record)]);
        return share;
      }),
    mount: (share, request, { signal }) => mountRafs(find(share), request, { ...config, signal }),
    async remount(share, request, { signal }) {
      await mountRafs(find(share), request, { ...config, signal });
    },
    unmount: (share, mountpoint, { signal }) => unmountRafs(find(share), mountpoint, { ...config, signal }),
  };
};

function refuseReadOnly({ tag, readOnly }: { readonly tag: string; readonly readOnly: boolean }): void {
  if (!readOnly) return;
  const message = `Share "${tag}": nydusd has no read-only shares: use "virtio-fs" for it`;
  throw new StatusError(Code.Unimplemented, message);
}
