import { Code, StatusError } from 'ttrpc-ts';
import { keyText } from '../config/problems.ts';
import { z } from '../config/zod-mini.ts';
import { messageOf } from '../errors.ts';
import type { ShareSpec } from '../host/share-spec.ts';
import { isAlmostShareType, parseMountOptions, SHARE_TYPE } from './mount-options.ts';

/** What we read of an OCI runtime spec; the rest is not ours. */
const specSchema = z.object({
  mounts: z.optional(
    z.array(
      z.object({
        destination: z.string(),
        type: z.optional(z.string()),
        source: z.optional(z.string()),
        options: z.optional(z.array(z.string())),
      }),
    ),
  ),
});

/**
 * The shares that an OCI runtime spec asks for: each mount of type `virtiofs`, its destination being the tag.
 * Of the options, `ro`, `cache=<mode>` and `shared_fs=<value>` count. `name` stands for the spec in errors.
 *
 * @throws StatusError InvalidArgument for a text that is no spec, and for an option or a type that is not understood
 */
export function parseShares(text: string, name: string): ShareSpec[] {
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch {
    // Without the error of the parser, which quotes the text: it may be of a link to what the caller must not read.
    throw invalidSpec(name, 'it is no JSON');
  }
  const spec = specSchema.safeParse(input);
  if (!spec.success) {
    const [issue] = spec.error.issues;
    throw invalidSpec(name, `${keyText((issue?.path ?? []).map(String))}: ${issue?.message}`, spec.error);
  }
  return (spec.data.mounts ?? []).flatMap((mount, index) => {
    try {
      return toShare(mount) ?? [];
    } catch (cause) {
      throw invalidSpec(name, `mounts.${index}: ${messageOf(cause)}`, cause);
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

/** The error of a spec that cannot be read or understood. */
export const invalidSpec = (name: string, problem: string, cause?: unknown): StatusError =>
  new StatusError(Code.InvalidArgument, `Invalid OCI spec "${name}": ${problem}`, { cause });
