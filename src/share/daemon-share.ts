import { singleFlight } from '../async/single-flight.ts';
import { describeEnd, type DaemonExit } from '../daemon/exit.ts';
import type { Share } from './contract.ts';
import type { DaemonShareParts, ShareContext } from './daemon-share-parts.ts';
import { inShare } from './in-share.ts';
import { recordChanger } from './keep-record.ts';
import { removeShareFiles } from './remove.ts';
import { followDaemon } from './respawn.ts';
import { releaseScratch } from './scratch.ts';
import type { Succession } from './succession.ts';

/** The share that a daemon serves, opened or adopted. Its record follows what becomes of the daemon. */
export function createDaemonShare(context: ShareContext, parts: DaemonShareParts): Share {
  const { record, daemon: first, adopted } = parts;
  const { tag, queueSize, cache, onExit, socketPath } = record;
  const { apiSocketPath } = first;
  const api = apiSocketPath === undefined ? {} : { apiSocketPath };
  const paths = { socketPath, ...api, sharedDir: record.source };
  const succession = followDaemon(context, parts);
  let exit: DaemonExit | undefined;
  void succession.ended.then((last) => (exit = last));
  return {
    tag,
    ...paths,
    queueSize,
    ...(cache === undefined ? {} : { cache }),
    onExit,
    get pid() {
      return succession.daemon.identity.pid;
    },
    get ready() {
      const ready = inShare(tag, () => succession.ready);
      ready.catch(() => {});
      return ready;
    },
    closed: succession.ended,
    status: () => ({
      tag,
      state: succession.state,
      pid: succession.daemon.identity.pid,
      ...paths,
      queueSize,
      adopted: adopted && succession.daemon === first,
      restarts: succession.restarts,
      lastLines: [...succession.daemon.lastLines],
      ...(exit ? { exit: describeEnd(exit) } : {}),
    }),
    onChange: (listener) => succession.onChange(listener),
    [Symbol.asyncDispose]: singleFlight(() => close(context, parts, succession)),
  };
}

async function close(
  context: ShareContext,
  { files, record }: DaemonShareParts,
  succession: Succession,
): Promise<void> {
  const { stateDir, log } = context;
  recordChanger(files, { stateDir, log })((former) => ({ ...former, isClosing: true }));
  await succession.stop();
  if (record.ownsSource) await removeSource(context, record.source);
  // Last, so that what could not be removed stays on record.
  if (stateDir.isInPlace()) removeShareFiles(files, stateDir);
}

/** Removes the directory that a host made for a share. */
export async function removeSource(
  { stateDir }: Pick<ShareContext, 'stateDir'>,
  source: string,
): Promise<void> {
  await releaseScratch(source);
  stateDir.trash.remove(source);
}
