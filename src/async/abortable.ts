import { Code, StatusError } from 'ttrpc-ts';

/** Waits for a promise, but no longer than until the signal aborts; what the promise stands for goes on. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  promise.catch(() => {});
  if (signal.aborted) throw asError(signal.reason);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(asError(signal.reason));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

const asError = (reason: unknown): Error =>
  reason instanceof Error
    ? reason
    : new StatusError(Code.Canceled, 'The caller went away', { cause: reason });
