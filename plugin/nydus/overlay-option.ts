import { Code, StatusError } from 'containerd-shim-virtiofs/plugin';
import * as z from 'zod/mini';

/** The type of the mount that nydus-snapshotter hands to the runtime of a VM. */
export const NYDUS_OVERLAY = 'fuse.nydus-overlayfs';

/** What such a mount says beyond its overlay. */
export interface NydusOverlay {
  /** The image's bootstrap. */
  readonly source: string;
  /** nydusd's configuration for it; it may hold credentials. */
  readonly config: string;
  /** The directory of the writable layer: `fs` and `work` stand in it. */
  readonly snapshotdir: string;
  /** The version of the image's format, where it is said. */
  readonly fsVersion?: string | undefined;
}

const PREFIX = 'extraoption=';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Strict, because a key that nobody heeds could be one that the image's integrity hangs on. */
const schema = z.pipe(
  z.strictObject({
    source: z.string().check(z.startsWith('/', 'use an absolute path')),
    config: z.string().check(z.minLength(1, 'it is empty')),
    snapshotdir: z.string().check(z.startsWith('/', 'use an absolute path')),
    fs_version: z.optional(z.string()),
  }),
  z.transform(({ fs_version: fsVersion, ...rest }) => ({
    ...rest,
    ...(fsVersion === undefined ? {} : { fsVersion }),
  })),
);

/**
 * Reads the option `extraoption=` of a {@link NYDUS_OVERLAY} mount: base64 of a JSON object (nydus-snapshotter's
 * ExtraOption). Errors name keys and never show values.
 *
 * @throws StatusError InvalidArgument where it is missing, there twice, or anything but that
 */
export function parseNydusOverlay(options: readonly string[]): NydusOverlay {
  const found = options.filter((option) => option.startsWith(PREFIX));
  const [option] = found;
  if (option === undefined) throw invalid('there is none: let nydus-snapshotter make the mount');
  if (found.length > 1) throw invalid('there are several');
  const value = option.slice(PREFIX.length);
  if (value === '' || !BASE64.test(value)) throw invalid('it is no base64');
  const result = schema.safeParse(jsonIn(Buffer.from(value, 'base64')));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.map((key) => JSON.stringify(key)) : [];
  if (unknown.length > 0) throw invalid(`unknown key ${unknown.join(', ')}`);
  throw invalid(`${issue?.path.join('.') || 'it'}: ${issue?.message}`);
}

function jsonIn(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw invalid('it is no JSON');
  }
}

const invalid = (problem: string): StatusError =>
  new StatusError(Code.InvalidArgument, `Invalid "extraoption" of a ${NYDUS_OVERLAY} mount: ${problem}`);
