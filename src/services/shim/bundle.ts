import { join } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import { z } from 'zod';
import { messageOf } from '../../errors.ts';
import { readForeign } from '../../foreign/read.ts';
import type { ShareSpec } from '../../host/share-spec.ts';
import { keyText } from '../../config/problems.ts';
import { isAlmostShareType, parseMountOptions, SHARE_TYPE } from './mount-options.ts';

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
 * Of the options, `ro`, `cache=<mode>` and `shared_fs=<value>` count. Undefined where the bundle has no spec, as those of CRI.
 *
 * @throws StatusError InvalidArgument for a spec that is not one, and for an option or a type that is not understood
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
  } catch {
    // Without the error of the parser, which quotes the file: it may be a link to what the caller must not read.
    throw invalidSpec(file, 'it is no JSON');
  }
  const spec = specSchema.safeParse(input);
  if (!spec.success) {
    const [issue] = spec.error.issues;
    throw invalidSpec(file, `${keyText((issue?.path ?? []).map(String))}: ${issue?.message}`, spec.error);
  }
  return (spec.data.mounts ?? []).flatMap((mount, index) => {
    try {
      return toShare(mount) ?? [];
    } catch (cause) {
      throw invalidSpec(file, `mounts.${index}: ${messageOf(cause)}`, cause);
    }
  });
}

type Mount = NonNullable<z.output<typeof specSchema>['mounts']>[number];

/** Undefined for a mount that is none of ours. */
function toShare({ destination, type = '', source, options = [] }: Mount): ShareSpec | undefined {
  if (isAlmostShareType(type))
    throw new Error(`unknown type ${JSON.stringify(type)}; did you mean "${SHARE_TYPE}"?`);
  if (type !== SHARE_TYPE) return undefined;
  return { tag: destination, ...(source ? { source } : {}), ...parseMountOptions(options) };
}

const invalidSpec = (file: string, problem: string, cause?: unknown): StatusError =>
  new StatusError(Code.InvalidArgument, `Invalid OCI spec "${file}": ${problem}`, { cause });
