import { join } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import { messageOf } from '../../errors.ts';
import { readForeign } from '../../foreign/read.ts';
import type { ShareSpec } from '../../host/share-spec.ts';
import { invalidSpec, parseShares } from '../oci-spec.ts';

/**
 * The shares that a bundle's spec asks for; undefined where the bundle has no spec, as those of CRI.
 *
 * @throws StatusError InvalidArgument as {@link parseShares} does, and for a file that cannot be read
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
  return parseShares(text, file);
}

/** The sandbox that a container's bundle belongs to, which containerd writes there; undefined where it has none. */
export async function readSandboxId(bundlePath: string): Promise<string | undefined> {
  const file = join(bundlePath, 'sandbox');
  try {
    return (await readForeign(file)).toString().trim() || undefined;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const code = StatusError.is(cause) ? cause.code : Code.FailedPrecondition;
    throw new StatusError(code, `Cannot read "${file}": ${messageOf(cause)}`, { cause });
  }
}
