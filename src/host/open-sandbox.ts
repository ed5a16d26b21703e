import { systemStatus } from '../proc/system-error.ts';
import type { CallOptions } from '../share/contract.ts';
import type { SandboxIdentity } from './contract.ts';
import { createSandbox, type KeptSandbox } from './sandbox.ts';
import type { SandboxParts } from './sandbox-parts.ts';
import { requireCacheModes, requireUniqueTags, type ShareSpec } from './share-spec.ts';

/**
 * Creates a sandbox and opens these shares, all at once, and writes down when it is done. When one fails or `signal`
 * aborts, those that were opened are closed again and the first failure is thrown.
 */
export async function openSandbox(
  identity: SandboxIdentity,
  shares: readonly ShareSpec[],
  { signal, ...parts }: SandboxParts & CallOptions,
): Promise<KeptSandbox> {
  requireUniqueTags(shares);
  requireCacheModes(shares, parts.profile);
  const sandbox = createSandbox(identity, parts);
  try {
    return await open(sandbox, shares, signal);
  } catch (error) {
    try {
      await sandbox[Symbol.asyncDispose]();
      sandbox.record.forget();
    } catch (cause) {
      parts.log.error({ sandbox: identity.sandboxId, err: cause }, 'Cannot undo a failed create');
    }
    const doing = `Cannot create sandbox "${identity.sandboxId}"`;
    throw systemStatus(error, { doing, path: parts.stateDir.path }) ?? error;
  }
}

async function open(
  sandbox: KeptSandbox,
  shares: readonly ShareSpec[],
  signal: AbortSignal | undefined,
): Promise<KeptSandbox> {
  const { record, goesWithShares } = sandbox;
  // Where it goes with its shares, there is nothing to undo until it has one.
  if (!goesWithShares) record.begin();
  const results = await Promise.allSettled(shares.map((spec) => sandbox.openShare(spec, { signal })));
  const failure = results.find((result) => result.status === 'rejected');
  if (failure) throw failure.reason;
  signal?.throwIfAborted();
  record.commit();
  return sandbox;
}
