import { Code, StatusError, z, type CreateProvider, type Share } from 'containerd-shim-virtiofs/plugin';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';

const VIRTIOFS = 'io.containerd.fsshare.v1.virtiofs';

export const configSchema = z.strictObject({
  copy_dir: z.string().startsWith('/').describe('Where the copies stand.'),
});

/** This provider shares a copy of the source, made at the sandbox's creation and removed with it. */
export const createProvider: CreateProvider<z.output<typeof configSchema>> = ({ config, required }) => {
  const virtiofs = required.get(VIRTIOFS);
  if (!virtiofs) throw new StatusError(Code.Internal, `The manifest does not require ${VIRTIOFS}`);
  const copies = new Map<Share, string>();
  return {
    async openShare(request, { signal }) {
      if (request.source === undefined) {
        const message = `Share "${request.tag}" has no source to copy: name one`;
        throw new StatusError(Code.InvalidArgument, message);
      }
      await using undo = new AsyncDisposableStack();
      await mkdir(config.copy_dir, { recursive: true });
      const copy = await mkdtemp(join(config.copy_dir, `${request.sandboxId}-`));
      undo.defer(() => remove(copy));
      await cp(request.source, copy, { recursive: true });
      const share = await virtiofs.openShare({ ...request, source: copy }, { signal });
      undo.move();
      copies.set(share, copy);
      return share;
    },
    async closeShare(share) {
      await share[Symbol.asyncDispose]();
      await remove(copies.get(share) ?? '');
      copies.delete(share);
    },
  };
};

const remove = (copy: string): Promise<void> => rm(copy, { recursive: true, force: true });
