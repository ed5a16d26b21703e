import { encodeTail } from '../envelope/request.ts';
import type { CompleteCallOptions } from './call-options.ts';
import type { ClientConnection, PendingCall } from './connection.ts';
import { callError } from './errors.ts';

/** Encodes what a call's options put into its request. */
export function encodeOptions({ timeoutMs, metadata }: CompleteCallOptions): Uint8Array | undefined {
  if (timeoutMs === undefined && metadata === undefined) return undefined;
  return encodeTail(timeoutMs === undefined ? 0n : nanoseconds(timeoutMs), metadata);
}

/** A request that waits to be sent. */
export interface LaterRequest {
  readonly options: CompleteCallOptions;
  readonly send: (options: CompleteCallOptions) => void;
}

/** Sends a request when a peer that is slow to read has read, so that what waits is not encoded yet. */
export function sendLater(
  connection: ClientConnection,
  call: PendingCall,
  { options, send }: LaterRequest,
): void {
  const calledAt = performance.now();
  const trySend = (): void => {
    if (call.ended) return;
    if (connection.congested) return wait();
    const { timeoutMs } = options;
    const waitedMs = performance.now() - calledAt;
    try {
      send(timeoutMs === undefined ? options : { ...options, timeoutMs: timeoutMs - waitedMs });
    } catch (error) {
      call.abandon(callError(error));
    }
  };
  const wait = (): void => void connection.drained().then(trySend);
  wait();
}

/** The wire's unit. What has passed while it waited is sent as the shortest timeout: 0 would be none. */
function nanoseconds(timeoutMs: number): bigint {
  return BigInt(Math.min(maxInt64, Math.max(1, Math.round(timeoutMs * 1e6))));
}

/** The largest double below 2^63. */
const maxInt64 = 2 ** 63 - 1024;
