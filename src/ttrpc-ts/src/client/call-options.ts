import { Code } from '../code.ts';
import { Metadata, type MetadataInit } from '../metadata.ts';
import { StatusError } from '../status-error.ts';

/** Options of one call. */
export interface CallOptions {
  /** Abandons the call, which then rejects with Canceled. ttrpc has no way to tell the server. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the call rejects with DeadlineExceeded; the server is told. @default none */
  readonly timeoutMs?: number | undefined;
  /** Metadata to send. @default none */
  readonly metadata?: MetadataInit | undefined;
}

/** Options of a call, checked. */
export interface CompleteCallOptions {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly metadata: Metadata | undefined;
}

/** @throws StatusError InvalidArgument where the timeout is not a number */
export function completeCallOptions(options: CallOptions | undefined): CompleteCallOptions {
  if (options === undefined) return none;
  const { signal, timeoutMs, metadata } = options;
  if (timeoutMs !== undefined && (typeof timeoutMs !== 'number' || Number.isNaN(timeoutMs))) {
    throw new StatusError(
      Code.InvalidArgument,
      `Cannot call with timeoutMs ${timeoutMs}: it is not a number`,
    );
  }
  return {
    signal,
    timeoutMs: timeoutMs === Infinity ? undefined : timeoutMs,
    metadata: metadata === undefined || metadata instanceof Metadata ? metadata : new Metadata(metadata),
  };
}

const none: CompleteCallOptions = { signal: undefined, timeoutMs: undefined, metadata: undefined };
