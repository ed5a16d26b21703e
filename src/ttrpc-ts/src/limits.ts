import { Code } from './code.ts';
import { StatusError } from './status-error.ts';

/** What bounds the memory of one connection. */
export interface LimitOptions {
  /**
   * Bytes waiting to be written from which on senders wait in turn, and a server reads no further requests from
   * that connection; at least the stream's own mark. At most one message more is ever queued. @default 1 MiB
   */
  readonly highWaterMark?: number;
  /**
   * Milliseconds after which a connection is closed where senders wait and its peer has taken nothing.
   * @default 10_000
   */
  readonly peerStallTimeoutMs?: number;
  /** Bytes of one stream received and not yet consumed, from which on its connection waits. @default 4 MiB */
  readonly streamBufferBytes?: number;
  /** Messages of one stream, however small, from which on its connection waits. @default 65_536 */
  readonly streamBufferMessages?: number;
  /**
   * Milliseconds for which a stream may make its connection wait. One whose consumer has taken nothing by then fails.
   * Another one is given that much buffer again, up to 16 times; from then on its connection waits for it.
   * @default 1000
   */
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
  peerStallTimeoutMs: 10_000,
  streamBufferBytes: 4 << 20,
  streamBufferMessages: 65_536,
  streamStallTimeoutMs: 1000,
  maxConcurrentCalls: 65_536,
});
