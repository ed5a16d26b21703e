import { HEADER_LENGTH, MessageType, writeHeader } from '../channel/frame.ts';
import type { Output } from '../channel/output.ts';
import { Code } from '../code.ts';
import { StatusError } from '../status-error.ts';
import { checkLength } from './oversize.ts';
import { MAX_INLINE_LENGTH } from './request.ts';
import { encodeStatus, readStatus } from './status.ts';
import { varintLength, WireReader, writeVarint } from './wire.ts';

/**
 * Writes the frame that answers a call with a payload.
 *
 * @throws StatusError ResourceExhausted above 4 MiB, and then nothing was written
 */
export function writeResponse(output: Output, streamId: number, payload: Uint8Array): void {
  writePayload(output, streamId, PAYLOAD_TAG, payload);
}

/** Writes the frame that answers a call with an error. One that cannot be sent, such as above 4 MiB, is cut to its code. */
export function writeStatus(output: Output, streamId: number, error: StatusError): void {
  try {
    writePayload(output, streamId, STATUS_TAG, encodeStatus(error));
  } catch {
    const message = 'The status of this call is malformed or too large';
    writePayload(output, streamId, STATUS_TAG, encodeStatus(new StatusError(error.code, message)));
  }
}

/** Reads the answer to a call: the offsets of its payload. Throws its status as a `StatusError`. */
export function readResponse(buffer: Uint8Array, start: number, end: number): PayloadRange {
  reader.reset(buffer, start, end);
  range.start = start;
  range.end = start;
  let failure: StatusError | undefined;
  while (reader.more) {
    const tag = reader.tag();
    if (tag === PAYLOAD_TAG) {
      range.start = reader.bytes();
      range.end = reader.at;
    } else if (tag === STATUS_TAG) {
      const status = readStatus(buffer, reader.bytes(), reader.at);
      failure = status.code === Code.Ok ? undefined : status;
    } else {
      reader.skip(tag);
    }
  }
  if (failure) throw failure;
  return range;
}

/** Where a payload stands in the buffer that was read. Valid until the next read. */
export interface PayloadRange {
  start: number;
  end: number;
}

const STATUS_TAG = 0x0a;
const PAYLOAD_TAG = 0x12;
const reader = new WireReader();
const range: PayloadRange = { start: 0, end: 0 };

function writePayload(output: Output, streamId: number, tag: number, bytes: Uint8Array): void {
  const empty = bytes.length === 0 && tag === PAYLOAD_TAG;
  const length = empty ? 0 : 1 + varintLength(bytes.length) + bytes.length;
  checkLength(length);
  const inline = bytes.length <= MAX_INLINE_LENGTH;
  let at = output.reserve(HEADER_LENGTH + (inline ? length : length - bytes.length));
  const { buffer } = output;
  at = writeHeader(buffer, at, { length, streamId, type: MessageType.Response, flags: 0 });
  if (empty) return;
  buffer[at++] = tag;
  at = writeVarint(buffer, at, bytes.length);
  if (inline) buffer.set(bytes, at);
  else output.append(bytes);
}
