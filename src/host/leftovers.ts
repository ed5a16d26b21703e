import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { Logger } from 'pino';
import {
  findUnrecorded,
  readLeftover,
  sandboxesOnDisk,
  type Leftover,
  type Remains,
  type SandboxOnDisk,
} from '../share/leftovers.ts';
import { reapSandbox, reapShares, type ReapParts } from '../share/reap.ts';

/** How many sandboxes are ended at a time. */
const SANDBOXES_AT_A_TIME = 8;

/**
 * Ends what dead hosts left and nobody adopts, and hands over the rest: call it with the state's lock held, before
 * anything is opened. What cannot be ended is logged and stays. Resolves when all is done.
 *
 * @param adopt is called for every sandbox at once, with a promise of what is to be adopted of it
 */
export async function takeLeftovers(
  parts: ReapParts,
  adopt: (sandbox: SandboxOnDisk, remains: Promise<Remains | undefined>) => Promise<void>,
): Promise<void> {
  const { stateDir, log } = parts;
  const limit = pLimit(SANDBOXES_AT_A_TIME);
  const sandboxes = sandboxesOnDisk(stateDir);
  const removeUnrecorded = findUnrecorded(parts);
  const recorded = new Set<string>();
  let isComplete = true;
  const directoryOf = ({ namespace, sandboxId }: SandboxOnDisk): string =>
    join(stateDir.sandboxesDirectory, namespace, sandboxId);
  const end = (sandbox: SandboxOnDisk, { others, remains, isUnreadable }: Leftover): Promise<void> =>
    remains || isUnreadable ? reapShares(others, parts) : reapSandbox(directoryOf(sandbox), parts);
  const take = async (sandbox: SandboxOnDisk): Promise<Remains | undefined> => {
    // Whoever calls meanwhile is not kept waiting by a thousand of them.
    await nextTurn();
    const leftover = readLeftover(sandbox, parts);
    if (!leftover.paths) isComplete = false;
    for (const path of leftover.paths ?? []) recorded.add(path);
    await end(sandbox, leftover).catch((error: unknown) => report(log, sandbox.sandboxId, error));
    return leftover.remains;
  };
  if (sandboxes.length > 0) log.info({ sandboxes: sandboxes.length }, 'Taking over what another host left');
  await Promise.all(
    sandboxes.map((sandbox) =>
      adopt(
        sandbox,
        limit(() => take(sandbox)),
      ),
    ),
  );
  if (isComplete) await removeUnrecorded(recorded);
}

const report = (log: Logger, sandboxId: string, error: unknown): void =>
  log.error({ sandbox: sandboxId, err: error }, 'Cannot end what a dead host left of a sandbox');
