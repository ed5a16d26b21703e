import { StatusError } from 'ttrpc-ts';
import { DaemonError, messageOf } from '../errors.ts';
import { systemStatus } from '../proc/system-error.ts';

/** Names the share in an error from below, and keeps its code, exit status and output. */
export async function inShare<T>(tag: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const message = `Cannot start share "${tag}": ${messageOf(error)}`;
    if (error instanceof DaemonError) {
      const { exit, lastLines, code } = error;
      throw new DaemonError(message, { exit, lastLines, code, cause: error });
    }
    if (StatusError.is(error)) throw new StatusError(error.code, message, { cause: error });
    throw systemStatus(error, { doing: `Cannot start share "${tag}"` }) ?? error;
  }
}
