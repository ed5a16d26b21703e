import { describeEnd, type DaemonExit } from '../daemon/exit.ts';
import type { Share, ShareRequest, ShareStatus } from '../share/contract.ts';
import { podNameOf, type PodName } from '../share/pod.ts';

/** Whose a share is, and since when. */
export interface ShareOrigin extends Pick<
  ShareRequest,
  'namespace' | 'sandboxId' | 'readOnly' | 'sharedFs' | 'owner'
> {
  /** True where another host started its daemon. */
  readonly adopted: boolean;
  readonly createdAt: Date;
  /** The pod that its sandbox is made for. */
  readonly pod?: PodName | undefined;
}

/** A share as it is at a moment, and whose it is. */
export interface ShareSnapshot extends Omit<ShareStatus, 'adopted'>, ShareOrigin, Pick<Share, 'cache'> {}

/** Takes a snapshot of an open share. */
export function takeSnapshot(share: Share, origin: ShareOrigin, exit: DaemonExit | undefined): ShareSnapshot {
  const { namespace, sandboxId, readOnly, sharedFs, owner, adopted, createdAt, pod } = origin;
  const { tag, pid, socketPath, sharedDir, queueSize, cache } = share;
  const { state, lastLines, restarts, adopted: isFormers } = share.status();
  return {
    namespace,
    sandboxId,
    tag,
    owner,
    readOnly,
    sharedFs,
    // A daemon that has followed another host's is this one's.
    adopted: adopted && isFormers !== false,
    createdAt,
    ...(pod ? { pod: podNameOf(pod) } : {}),
    pid,
    socketPath,
    sharedDir,
    queueSize,
    ...(cache === undefined ? {} : { cache }),
    lastLines,
    ...(restarts === undefined ? {} : { restarts }),
    state: exit ? 'exited' : state,
    ...(exit ? { exit: describeEnd(exit) } : {}),
  };
}
