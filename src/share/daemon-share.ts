import { singleFlight } from '../async/single-flight.ts';
import { describeEnd, type DaemonExit } from '../daemon/exit.ts';
import type { Share } from './contract.ts';
import type { DaemonShareParts, ShareContext } from './daemon-share-parts.ts';
import { inShare } from './in-share.ts';
import { recordChanger } from './keep-record.ts';
import { removeShareFiles } from './remove.ts';
import { readRecord, type ShareRecord } from './record.ts';
import { removeSource } from './remove-source.ts';
import { followDaemon } from './respawn.ts';
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
  if (record.ownsSource) {
    await removeSource({ source: record.source, mounts: mountsOf(context, { files, record }) }, stateDir);
  }
  // Last, so that what could not be removed stays on record.
  if (stateDir.isInPlace()) removeShareFiles(files, stateDir);
}

/** What is on record as mounted by now. What stands in another host's state is another share's. */
function mountsOf(
  { stateDir }: ShareContext,
  { files, record }: Pick<DaemonShareParts, 'files' | 'record'>,
): ShareRecord['mounts'] {
  if (!stateDir.isInPlace()) return record.mounts;
  try {
    return readRecord(files)?.mounts ?? record.mounts;
  } catch {
    // That it cannot be read was said when it could not be changed.
    return record.mounts;
  }
}
