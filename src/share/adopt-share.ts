import { rmSync } from 'node:fs';
import { Code, StatusError } from 'ttrpc-ts';
import type { DaemonTraits } from '../daemon/spec.ts';
import type { Share } from './contract.ts';
import { createDaemonShare } from './daemon-share.ts';
import { startOptions, type ShareContext } from './daemon-share-parts.ts';
import type { SharePaths } from './open-share.ts';
import type { ShareRecord } from './record.ts';

/** How {@link adoptShare} knows its daemon. */
export interface AdoptShareOptions {
  /** Describes the daemon that serves these paths; it keeps what it was started with. */
  readonly daemon: (paths: SharePaths) => Omit<DaemonTraits, 'socketPath' | 'outputPath'>;
  /** Describes one that follows it, where that is known in another way. @default as the daemon */
  readonly respawned?: (paths: SharePaths) => Omit<DaemonTraits, 'socketPath' | 'outputPath'>;
}

/**
 * Takes over a share that another host opened, with the daemon that serves it, or has served it until it ended.
 *
 * @throws StatusError FailedPrecondition for a record of a share that has never had a daemon
 */
export async function adoptShare(
  context: ShareContext,
  record: ShareRecord,
  options: AdoptShareOptions,
): Promise<Share> {
  const { namespace, sandboxId, tag, socketPath } = record;
  if (!record.daemon)
    throw new StatusError(Code.FailedPrecondition, `Cannot adopt share "${tag}": it never had a daemon`);
  const files = context.stateDir.share(namespace, sandboxId, tag);
  // What the dead host was writing.
  rmSync(files.newRecord, { force: true });
  const paths = {
    socketPath,
    apiSocketPath: context.stateDir.apiSocketOf(socketPath),
    sharedDir: record.source,
  };
  const { daemon: describe, respawned = describe } = options;
  const places = { socketPath, outputPath: files.output };
  const daemon = await context.daemons.adopt(
    record.daemon,
    { ...describe(paths), ...places },
    { log: startOptions(context, record).log },
  );
  return createDaemonShare(context, {
    files,
    record,
    daemon,
    adopted: true,
    traits: { ...respawned(paths), ...places },
  });
}
