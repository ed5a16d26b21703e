import { Code } from './code.ts';
import { StatusError } from './status-error.ts';

/** What bounds the memory of one connection. */
export interface LimitOptions {
  /**
   * Bytes waiting to be written from which on senders wait, and from which on a server reads no further
   * requests from that connection; at least the stream's own mark. @default 1 MiB
   */
  readonly highWaterMark?: number;
  /** Bytes waiting to be written at which the connection is closed. @default 16 MiB */
  readonly maxQueuedBytes?: number;
  /** Messages of one stream received and not yet consumed, from which on the connection waits. @default 256 */
  readonly streamBufferMessages?: number;
  /** Their bytes, from which on the connection waits. @default 4 MiB */
  readonly streamBufferBytes?: number;
  /** Milliseconds without progress after which a stream that holds up its connection fails. @default 1000 */
  readonly streamStallTimeoutMs?: number;
  /** Calls in flight on one connection, beyond which a server answers ResourceExhausted. @default 65536 */
  readonly maxConcurrentCalls?: number;
}

/** Limits with every default filled in. */
export type Limits = Readonly<Required<LimitOptions>>;

/**
 * Fills in the defaults.
 *
 * @throws StatusError InvalidArgument where a limit is not a positive integer
 */
export function completeLimits(options: LimitOptions): Limits {
  const limits: Record<keyof Limits, number> = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof Limits)[]) {
    const value = options[name];
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new StatusError(
        Code.InvalidArgument,
        `Cannot use limit "${name}": ${value} is not a positive integer`,
      );
    }
    limits[name] = value;
  }
  return limits;
}

const defaults: Limits = Object.freeze({
  highWaterMark: 1 << 20,
  maxQueuedBytes: 16 << 20,
  streamBufferMessages: 256,
  streamBufferBytes: 4 << 20,
  streamStallTimeoutMs: 1000,
  maxConcurrentCalls: 65_536,
});
