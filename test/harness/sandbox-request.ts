import type { SandboxRequest } from '../../src/host/contract.ts';
import type { ShareSpec } from '../../src/host/share-spec.ts';

/** A request for a sandbox of these shares. */
export const sandboxRequest = (sandboxId: string, ...shares: ShareSpec[]): SandboxRequest => ({
  namespace: 'default',
  sandboxId,
  owner: 'shim',
  contents: { shares },
});
