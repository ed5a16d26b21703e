import { Code, StatusError, type CreateProvider, type Share } from 'containerd-shim-virtiofs/plugin';
import { z } from 'containerd-shim-virtiofs/zod';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const VIRTIOFS = 'io.containerd.fsshare.v1.virtiofs';
const run = promisify(execFile);

export const configSchema = z.strictObject({
  copy_dir: z.string().startsWith('/').describe('Where the copies stand.'),
});

/** This provider shares a copy of the source, made at the sandbox's creation and removed with it. */
export const createProvider: CreateProvider<z.output<typeof configSchema>> = ({ config, required }) => {
  const virtiofs = required.get(VIRTIOFS);
  if (!virtiofs) throw new StatusError(Code.Internal, `The manifest does not require ${VIRTIOFS}`);
  const copies = new Map<Share, string>();
  return {
    cacheModes: virtiofs.cacheModes,
    async openShare(request, { signal }) {
      const { tag, source, sandboxId } = request;
      if (source === undefined) {
        const message = `Share "${tag}" has no source to copy: name one`;
        throw new StatusError(Code.InvalidArgument, message);
      }
      await using undo = new AsyncDisposableStack();
      await mkdir(config.copy_dir, { recursive: true });
      const copy = await mkdtemp(join(config.copy_dir, `${sandboxId}-`));
      undo.defer(() => remove(copy));
      await fill(copy, source, { signal });
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

/** By cp, which copies names that are no text, fifos, sockets, owners, modes and attributes as they are. */
async function fill(
  copy: string,
  source: string,
  { signal }: { signal?: AbortSignal | undefined },
): Promise<void> {
  try {
    await run('cp', ['-a', '--', `${source}/.`, copy], signal ? { signal } : {});
  } catch (cause) {
    signal?.throwIfAborted();
    const { stderr = '' } = cause as { stderr?: string };
    const [problem = String(cause)] = stderr.trim().split('\n').filter(Boolean);
    throw new StatusError(Code.FailedPrecondition, `Cannot copy "${source}": ${problem}`, { cause });
  }
}

/** By rm, which removes names that are no text. */
async function remove(copy: string): Promise<void> {
  await run('rm', ['-rf', '--one-file-system', '--', copy]);
}
