import { Code, StatusError } from 'ttrpc-ts';
import { messageOf } from '../errors.ts';

/** What containerd takes for "it is gone already" where it is the answer to a stop or a shutdown. */
const GONE: ReadonlySet<Code> = new Set([Code.NotFound, Code.Unavailable]);

/** Waits for a closing; one that fails fails with a code that containerd cannot take for success. */
export async function closed<T>(closing: PromiseLike<T>): Promise<T> {
  try {
    return await closing;
  } catch (cause) {
    const code = StatusError.is(cause) && !GONE.has(cause.code) ? cause.code : Code.FailedPrecondition;
    throw new StatusError(code, messageOf(cause), { cause });
  }
}
