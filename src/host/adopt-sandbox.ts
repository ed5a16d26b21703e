import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Remains } from '../share/leftovers.ts';
import type { ShareRecord } from '../share/record.ts';
import type { SandboxRecord } from '../share/sandbox-record.ts';
import type { SandboxExit, SandboxIdentity } from './contract.ts';
import { exitStatusOf } from './exit-status.ts';
import { recalledExit } from './recorded-exit.ts';
import type { SandboxParts } from './sandbox-parts.ts';
import { createSandbox, type KeptSandbox } from './sandbox.ts';

/** Makes a sandbox of what another host left of one; undefined where it is there for its shares and none can be adopted. */
export async function adoptSandbox(
  { record, shares, lost }: Remains,
  parts: SandboxParts,
): Promise<KeptSandbox | undefined> {
  const sandbox = createSandbox(identityOf(record), parts, exitOf(record, lost));
  const results = await Promise.allSettled(shares.map((share) => sandbox.adoptShare(share)));
  for (const result of results) {
    if (result.status === 'fulfilled') continue;
    const { reason } = result as { reason: unknown };
    parts.log.error({ sandbox: record.sandboxId, err: reason }, `Cannot adopt a share: ${messageOf(reason)}`);
  }
  if (sandbox.shares.length === 0 && record.goesWithShares) return undefined;
  // Of what has ended meanwhile it is known then.
  await nextTurn();
  sandbox.record.keep();
  return sandbox;
}

/** Who a sandbox is that has this record. */
export function identityOf(record: SandboxRecord): SandboxIdentity {
  const { createdAt, startBy, isStarted, ...same } = record;
  const unstarted = startBy === undefined || isStarted ? {} : { startBy: new Date(startBy) };
  return { ...same, ...unstarted, createdAt: new Date(createdAt) };
}

/** How a sandbox ended that has ended while there was no host, or before. */
function exitOf({ exit, ending }: SandboxRecord, lost: readonly ShareRecord[]): SandboxExit | undefined {
  if (exit) return recalledExit(exit);
  const exitedAt = new Date();
  if (ending === 'stop') return { exitStatus: 0, cause: 'stopped', exitedAt };
  const share = lost.find(({ onExit }) => onExit !== 'keep');
  if (!share) return undefined;
  const message = `Its socket "${share.socketPath}" was removed before a VMM came, while there was no host`;
  const daemonExit = { cause: 'failed', message, exitedAt, uptimeMs: 0, lastLines: [] } as const;
  return {
    exitStatus: exitStatusOf({}),
    cause: 'failed',
    exitedAt,
    failed: { tag: share.tag, exit: daemonExit },
  };
}
