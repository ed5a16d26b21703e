import pLimit from 'p-limit';
import type { Logger } from 'pino';
import { sandboxesOnDisk, sweepUnrecorded } from '../share/leftovers.ts';
import type { ReapParts } from '../share/reap.ts';

/** How many sandboxes are ended at a time. */
const SANDBOXES_AT_A_TIME = 8;

/**
 * Ends what dead hosts left and no living one owns: call it with the state's lock held, before anything is opened.
 * What cannot be ended is logged and stays. Resolves when all has been tried.
 *
 * @param reap ends what stands on disk of one sandbox
 */
export async function reapLeftovers(
  parts: ReapParts,
  reap: (namespace: string, sandboxId: string) => Promise<void>,
): Promise<void> {
  const { stateDir, log } = parts;
  const limit = pLimit(SANDBOXES_AT_A_TIME);
  const sandboxes = sandboxesOnDisk(stateDir);
  await sweepUnrecorded(parts);
  if (sandboxes.length > 0) log.info({ sandboxes: sandboxes.length }, 'Ending what a dead host left');
  await Promise.all(
    sandboxes.map(({ namespace, sandboxId }) =>
      limit(() => reap(namespace, sandboxId)).catch((error: unknown) => report(log, sandboxId, error)),
    ),
  );
}

const report = (log: Logger, sandboxId: string, error: unknown): void =>
  log.error({ sandbox: sandboxId, err: error }, 'Cannot end what a dead host left of a sandbox');
