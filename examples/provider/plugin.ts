import {
  Code,
  createVirtiofsProvider,
  StatusError,
  virtiofsConfigSchema,
  z,
  type Hooks,
  type VirtiofsConfig,
} from 'containerd-shim-virtiofs';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** This provider shares a copy of the source, made at the sandbox's creation and removed with it. */
export const configSchema = z.strictObject({
  copy_dir: z.string().startsWith('/').describe('Where the copies stand.'),
  virtiofs: virtiofsConfigSchema.prefault({}).describe('How the copies are served.'),
});

type Config = { copy_dir: string; virtiofs: VirtiofsConfig };

/** Copies the source and opens a share of the copy. */
export const createSandbox: Hooks<Config>['sandbox.create'] = async (context, { share: request, signal }) => {
  if (request.source === undefined) {
    throw new StatusError(Code.InvalidArgument, `Share "${request.tag}" has no source to copy: name one`);
  }
  await using undo = new AsyncDisposableStack();
  await mkdir(context.config.copy_dir, { recursive: true });
  const copy = await mkdtemp(join(context.config.copy_dir, `${request.sandboxId}-`));
  undo.defer(() => rm(copy, { recursive: true, force: true }));
  await cp(request.source, copy, { recursive: true });

  const provider = createVirtiofsProvider({ ...context, config: context.config.virtiofs });
  const share = await provider.openShare({ ...request, source: copy }, { signal });
  undo.use(share);
  const owned = undo.move();
  return { ...share, [Symbol.asyncDispose]: () => owned.disposeAsync() };
};

/** Ends the share and removes the copy. */
export const deleteSandbox: Hooks<Config>['sandbox.delete'] = (_context, { share }) =>
  Promise.resolve(share[Symbol.asyncDispose]());
