import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { DaemonState } from '../../daemon/contract.ts';
import type { ShareEvent } from '../../host/events.ts';
import type { ShareSnapshot } from '../../host/share-snapshot.ts';
import { SandboxStatusResponseSchema } from '../../proto/containerd/sandbox_pb.ts';
import { envelopeOf, type Envelope } from './envelope.ts';

const OPEN = '/shares/open';
const READY = '/shares/ready';
const CONNECT = '/shares/connect';

/** What a change of a share's state is called; a daemon that is being stopped is no news. */
const CHANGES: Readonly<Record<DaemonState, readonly string[]>> = {
  starting: ['/shares/start'],
  waiting: [READY],
  connected: [CONNECT],
  stopping: [],
  exited: ['/shares/exit'],
};

/** What its opening is called, with the changes that came before it was told. */
const OPENINGS: Readonly<Record<DaemonState, readonly string[]>> = {
  starting: [OPEN],
  waiting: [OPEN, READY],
  connected: [OPEN, READY, CONNECT],
  stopping: [OPEN],
  exited: [OPEN],
};

/**
 * What containerd is to publish of a share: its status then. The type is containerd's own of a status, because ctr and
 * other clients drop an event whose type they do not know. What ended before `since` is no news.
 */
export function shareEnvelopes(event: ShareEvent, { since }: { since: Date }): Envelope[] {
  const { time, share } = event;
  const { namespace, sandboxId, pid, state, createdAt, exit } = share;
  if (event.type === 'changed' && exit && new Date(exit.exitedAt) < since) return [];
  return topicsOf(event).map((topic) =>
    envelopeOf({ namespace, topic, time }, SandboxStatusResponseSchema, {
      sandboxId,
      pid,
      state,
      info: infoOf(share),
      createdAt: timestampFromDate(createdAt),
      ...(exit ? { exitedAt: timestampFromDate(new Date(exit.exitedAt)) } : {}),
    }),
  );
}

/** None of what a host adopts, of which the one before it told. */
function topicsOf({ type, share: { adopted, state } }: ShareEvent): readonly string[] {
  if (type === 'closed') return ['/shares/close'];
  if (type === 'changed') return CHANGES[state];
  return adopted ? [] : OPENINGS[state];
}

function infoOf({ tag, owner, sharedFs, socketPath, sharedDir, restarts, exit }: ShareSnapshot): {
  [key: string]: string;
} {
  return {
    tag,
    owner,
    shared_fs: sharedFs,
    socket_path: socketPath,
    shared_dir: sharedDir,
    ...(restarts ? { restarts: String(restarts) } : {}),
    ...(exit ? { cause: exit.cause, message: exit.message } : {}),
    ...(exit?.exitCode === undefined ? {} : { exit_code: String(exit.exitCode) }),
    ...(exit?.signal === undefined ? {} : { signal: exit.signal }),
  };
}
