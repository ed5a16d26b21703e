import { messageOf } from '../errors.ts';
import type { ShareRecord } from '../share/record.ts';
import type { Sandbox, SandboxIdentity } from './contract.ts';
import { createSandbox, type SandboxParts } from './sandbox.ts';

/** Makes a sandbox of what another host left of one; undefined where that is nothing, or none of it can be adopted. */
export async function adoptSandbox(
  records: readonly ShareRecord[],
  partsOf: (identity: SandboxIdentity, profile: string) => Promise<SandboxParts>,
): Promise<Sandbox | undefined> {
  const [oldest] = records.toSorted((a, b) => a.createdAt.localeCompare(b.createdAt));
  if (!oldest) return undefined;
  const { namespace, sandboxId, owner, createdAt, profile, pod } = oldest;
  const identity: SandboxIdentity = { namespace, sandboxId, owner, createdAt: new Date(createdAt), pod };
  const parts = await partsOf(identity, profile);
  const sandbox = createSandbox(identity, parts);
  // All at once: when the first has ended meanwhile, the sandbox may have ended before the second.
  const results = await Promise.allSettled(records.map((record) => sandbox.adoptShare(record)));
  for (const result of results) {
    if (result.status === 'fulfilled') continue;
    const { reason } = result as { reason: unknown };
    parts.log.error({ sandbox: sandboxId, err: reason }, `Cannot adopt a share: ${messageOf(reason)}`);
  }
  return sandbox.shares.length > 0 ? sandbox : undefined;
}
