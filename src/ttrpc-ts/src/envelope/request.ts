import type { Output } from '../channel/output.ts';
import { HEADER_LENGTH, MessageType, writeHeader } from '../channel/frame.ts';
import type { Metadata } from '../metadata.ts';
import { encodeField, encodeInt64 } from './field.ts';
import { checkLength } from './oversize.ts';
import { varintLength, writeVarint } from './wire.ts';

/** A request to be written. */
export interface RequestFrame {
  readonly streamId: number;
  readonly flags: number;
  /** The encoded names of service and method: what `encodeRoute()` returned. */
  readonly route: Uint8Array;
  readonly payload: Uint8Array;
  /** What `encodeTail()` returned. */
  readonly tail: Uint8Array | undefined;
}

/**
 * Writes a request frame, byte for byte what Go writes.
 *
 * @throws StatusError ResourceExhausted above 4 MiB, and then nothing was written
 */
export function writeRequest(output: Output, frame: RequestFrame): void {
  const { route, payload, tail } = frame;
  const payloadField = payload.length === 0 ? 0 : 1 + varintLength(payload.length) + payload.length;
  const length = route.length + payloadField + (tail?.length ?? 0);
  checkLength(length);
  const inline = payload.length <= MAX_INLINE_LENGTH;
  let at = output.reserve(HEADER_LENGTH + (inline ? length : length - payload.length - (tail?.length ?? 0)));
  let buffer = output.buffer;
  at = writeHeader(buffer, at, {
    length,
    streamId: frame.streamId,
    type: MessageType.Request,
    flags: frame.flags,
  });
  buffer.set(route, at);
  at += route.length;
  if (payloadField > 0) {
    buffer[at++] = PAYLOAD_TAG;
    at = writeVarint(buffer, at, payload.length);
    if (inline) buffer.set(payload, at);
    else output.append(payload);
  }
  if (!tail) return;
  if (inline) {
    buffer.set(tail, at + payload.length);
  } else {
    at = output.reserve(tail.length);
    buffer = output.buffer;
    buffer.set(tail, at);
  }
}

/** Payloads up to this many bytes are copied into the output buffer; larger ones are written from where they are. */
export const MAX_INLINE_LENGTH: number = 16 << 10;

/** Encodes the fields by which a request is routed. */
export function encodeRoute(service: string, method: string): Uint8Array {
  return Buffer.concat([encodeField(0x0a, Buffer.from(service)), encodeField(0x12, Buffer.from(method))]);
}

/** Encodes the fields behind the payload, or returns undefined where there are none. */
export function encodeTail(timeoutNano: bigint, metadata: Metadata | undefined): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  if (timeoutNano !== 0n) parts.push(Uint8Array.of(0x20), encodeInt64(timeoutNano));
  for (const [key, value] of metadata ?? []) {
    const pair = Buffer.concat([encodeField(0x0a, Buffer.from(key)), encodeField(0x12, Buffer.from(value))]);
    parts.push(encodeField(0x2a, pair, { evenIfEmpty: true }));
  }
  return parts.length === 0 ? undefined : Buffer.concat(parts);
}

const PAYLOAD_TAG = 0x1a;
