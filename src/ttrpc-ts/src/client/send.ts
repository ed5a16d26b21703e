import { encodeTail } from '../envelope/request.ts';
import type { CompleteCallOptions } from './call-options.ts';
import { callError } from './errors.ts';
import type { CallPort, PendingCall } from './port.ts';

/** A request that waits for its turn. */
export interface WaitingRequest {
  readonly options: CompleteCallOptions;
  readonly write: (options: CompleteCallOptions) => void;
}

/** Sends the request of a call when it is its turn. What waits is not encoded yet. */
export function sendInTurn(port: CallPort, call: PendingCall, { options, write }: WaitingRequest): void {
  const calledAt = performance.now();
  port.wait(call, () => {
    if (call.ended) return;
    const { timeoutMs } = options;
    const waitedMs = performance.now() - calledAt;
    try {
      if (port.reason) throw port.reason;
      write(timeoutMs === undefined ? options : { ...options, timeoutMs: timeoutMs - waitedMs });
    } catch (error) {
      call.fail(callError(error));
    }
  });
}

/** Encodes what a call's options put into its request. */
export function encodeOptions({ timeoutMs, metadata }: CompleteCallOptions): Uint8Array | undefined {
  if (timeoutMs === undefined && metadata === undefined) return undefined;
  return encodeTail(timeoutMs === undefined ? 0n : nanoseconds(timeoutMs), metadata);
}

/** The wire's unit. What has passed while it waited is sent as the shortest timeout: 0 would be none. */
function nanoseconds(timeoutMs: number): bigint {
  return BigInt(Math.min(maxInt64, Math.max(1, Math.round(timeoutMs * 1e6))));
}

/** The largest double below 2^63. */
const maxInt64 = 2 ** 63 - 1024;
