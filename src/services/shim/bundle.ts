import { join } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import { z } from 'zod';
import { messageOf } from '../../errors.ts';
import { readForeign } from '../../foreign/read.ts';
import type { ShareSpec } from '../../host/share-spec.ts';
import { keyText } from '../../config/problems.ts';

/** What we read of an OCI runtime spec; the rest is not ours. */
const specSchema = z.object({
  mounts: z
    .array(
      z.object({
        destination: z.string(),
        type: z.string().optional(),
        source: z.string().optional(),
        options: z.array(z.string()).optional(),
      }),
    )
    .optional(),
});

/**
 * The shares that a bundle's spec asks for: each mount of type `virtiofs`, its destination being the tag.
 * Of the options, `ro` and `shared_fs=<value>` count. Undefined where the bundle has no spec, as those of CRI.
 *
 * @throws StatusError InvalidArgument for a spec that is not one
 */
export async function readShares(bundlePath: string): Promise<ShareSpec[] | undefined> {
  const file = join(bundlePath, 'config.json');
  let text: string;
  try {
    text = (await readForeign(file)).toString();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw invalidSpec(file, messageOf(error), error);
  }
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch (cause) {
    throw invalidSpec(file, messageOf(cause), cause);
  }
  const spec = specSchema.safeParse(input);
  if (!spec.success) {
    const [issue] = spec.error.issues;
    throw invalidSpec(file, `${keyText((issue?.path ?? []).map(String))}: ${issue?.message}`, spec.error);
  }
  return (spec.data.mounts ?? []).filter(({ type }) => type === 'virtiofs').map(toShare);
}

function toShare(mount: {
  destination: string;
  source?: string | undefined;
  options?: string[] | undefined;
}): ShareSpec {
  const options = mount.options ?? [];
  const sharedFs = options.find((option) => option.startsWith('shared_fs='))?.slice('shared_fs='.length);
  return {
    tag: mount.destination,
    ...(mount.source ? { source: mount.source } : {}),
    readOnly: options.includes('ro'),
    ...(sharedFs ? { sharedFs } : {}),
  };
}

const invalidSpec = (file: string, problem: string, cause: unknown): StatusError =>
  new StatusError(Code.InvalidArgument, `Invalid OCI spec "${file}": ${problem}`, { cause });
