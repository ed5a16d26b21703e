import { once } from 'node:events';

/** Waits for a promise, but no longer than until the signal aborts; what the promise stands for goes on. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  const done = new AbortController();
  const aborted = signal.aborted || once(signal, 'abort', { signal: done.signal });
  try {
    await Promise.race([aborted, promise]);
    signal.throwIfAborted();
    return await promise;
  } finally {
    done.abort();
  }
}
