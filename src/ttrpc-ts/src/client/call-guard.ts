import { abortError, deadlineError } from '../error-status.ts';
import type { StatusError } from '../status-error.ts';
import type { CompleteCallOptions } from './call-options.ts';

/** What a guard ends. */
export interface Abandonable {
  /** Ends the call at once: its caller wants no more, not even what has arrived. */
  abandon(error: StatusError): void;
}

/**
 * Watches the signal and the deadline of one call; returns what ends the watch, or undefined where there is
 * nothing to watch.
 *
 * @throws StatusError Canceled or DeadlineExceeded where either has passed already
 */
export function guardCall(call: Abandonable, options: CompleteCallOptions): (() => void) | undefined {
  const { signal, timeoutMs } = options;
  if (signal === undefined && timeoutMs === undefined) return undefined;
  if (signal?.aborted) throw abortError(signal.reason);
  if (timeoutMs !== undefined && timeoutMs <= 0) throw deadlineError();
  const onAbort = (): void => call.abandon(abortError(signal!.reason));
  const onTimeout = (): void => call.abandon(deadlineError());
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer =
    timeoutMs !== undefined && timeoutMs <= MAX_TIMER_MS ? setTimeout(onTimeout, timeoutMs) : undefined;
  return () => {
    if (timer) clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  };
}

/** Node.js fires longer timers at once; a deadline in 24 days is kept by the server alone. */
const MAX_TIMER_MS = 0x7fff_ffff;
