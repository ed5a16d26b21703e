import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { EndDescription } from '../../daemon/exit.ts';
import type { ShareMount } from '../../host/share-mounts.ts';
import type { ShareSnapshot } from '../../host/share-snapshot.ts';
import type { ExitSchema, MountSchema, ShareSchema } from '../../proto/share/shares_pb.ts';

/** A share as the service tells of it. */
export function shareMessage({
  createdAt,
  exit,
  lastLines,
  ...same
}: ShareSnapshot): MessageInitShape<typeof ShareSchema> {
  return {
    ...same,
    createdAt: timestampFromDate(createdAt),
    lastLines: [...lastLines],
    ...(exit ? { exit: exitMessage(exit) } : {}),
  };
}

function exitMessage({ exitedAt, ...same }: EndDescription): MessageInitShape<typeof ExitSchema> {
  return { ...same, exitedAt: timestampFromDate(new Date(exitedAt)) };
}

/** What is mounted in a share, as the service tells of it. */
export function mountMessage(
  share: { readonly namespace: string; readonly sandboxId: string; readonly tag: string },
  { mountedAt, options, ...same }: ShareMount,
): MessageInitShape<typeof MountSchema> {
  return { ...share, ...same, options: [...options], mountedAt: timestampFromDate(mountedAt) };
}
