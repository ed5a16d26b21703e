import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Host } from '../../host/host.ts';
import type { ShareSnapshot } from '../../host/share-snapshot.ts';
import type { MountSchema, ShareSchema } from '../../proto/share/shares_pb.ts';
import { mountMessage, shareMessage } from './message.ts';

/** How much of an answer last lines may take, in bytes: a message has at most 4 MiB. */
const MAX_LINES_BYTES = 2 << 20;

/** Which shares a caller wants: where a name is empty, all of them. */
export interface ShareFilter {
  readonly namespace: string;
  readonly sandboxId: string;
}

/** True for a share that a caller wants. */
export const isWanted =
  (filter: ShareFilter) =>
  ({ namespace, sandboxId }: ShareSnapshot): boolean =>
    (filter.namespace === '' || namespace === filter.namespace) &&
    (filter.sandboxId === '' || sandboxId === filter.sandboxId);

/** The shares that a caller wants as they are now, in the order of their names. */
export const wantedShares = ({ sandboxes }: Pick<Host, 'sandboxes'>, filter: ShareFilter): ShareSnapshot[] =>
  sandboxes
    .list()
    .flatMap((sandbox) => sandbox.snapshots())
    .filter(isWanted(filter))
    .toSorted(byNames);

/** The messages of one answer with all these shares: of many, each tells fewer of its last lines. */
export function listShares(
  host: Pick<Host, 'sandboxes'>,
  filter: ShareFilter,
): MessageInitShape<typeof ShareSchema>[] {
  const shares = wantedShares(host, filter);
  const room = MAX_LINES_BYTES / shares.length;
  return shares.map((share) => shareMessage({ ...share, lastLines: newest(share.lastLines, room) }));
}

/** What is mounted in the shares that a caller wants. */
export function listMounts(
  host: Pick<Host, 'sandboxes'>,
  { tag: wanted, ...filter }: ShareFilter & { readonly tag: string },
): MessageInitShape<typeof MountSchema>[] {
  const shares = wantedShares(host, filter).filter(({ tag }) => wanted === '' || tag === wanted);
  return shares.flatMap(({ namespace, sandboxId, tag }) =>
    host.sandboxes
      .get(namespace, sandboxId)
      .mounts(tag)
      .map((mount) => mountMessage({ namespace, sandboxId, tag }, mount)),
  );
}

/** The newest lines that fit. */
export function newest(lines: readonly string[], bytes: number): readonly string[] {
  let left = bytes;
  const older = lines.findLastIndex((line) => (left -= Buffer.byteLength(line)) < 0);
  return lines.slice(older + 1);
}

function byNames(a: ShareSnapshot, b: ShareSnapshot): number {
  return compare(a.namespace, b.namespace) || compare(a.sandboxId, b.sandboxId) || compare(a.tag, b.tag);
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
