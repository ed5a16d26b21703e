import type { SandboxRequest, ShareSpec } from '../../src/host/sandbox.ts';

/** A request for a sandbox of these shares. */
export const sandboxRequest = (sandboxId: string, ...shares: ShareSpec[]): SandboxRequest => ({
  namespace: 'default',
  sandboxId,
  owner: 'shim',
  contents: { shares },
});
