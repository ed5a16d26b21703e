import {
  createVirtiofsProvider,
  virtiofsConfigSchema,
  type Hooks,
  type VirtiofsConfig,
} from 'containerd-shim-virtiofs';

/** The table `[plugins."io.containerd.fsshare.v1.virtiofs"]`. */
export const configSchema: typeof virtiofsConfigSchema = virtiofsConfigSchema;

/** Starts a virtiofsd for the share. */
export const createSandbox: Hooks<VirtiofsConfig>['sandbox.create'] = (context, { share, signal }) =>
  createVirtiofsProvider(context).openShare(share, { signal });

/** Stops the share's virtiofsd. */
export const deleteSandbox: Hooks<VirtiofsConfig>['sandbox.delete'] = (_context, { share }) =>
  Promise.resolve(share[Symbol.asyncDispose]());
