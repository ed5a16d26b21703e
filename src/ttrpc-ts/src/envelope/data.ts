import { HEADER_LENGTH, MessageType, writeHeader } from '../channel/frame.ts';
import type { Output } from '../channel/output.ts';
import { checkLength } from './oversize.ts';
import { MAX_INLINE_LENGTH } from './request.ts';

/**
 * Writes a frame of stream data.
 *
 * @throws StatusError ResourceExhausted above 4 MiB, and then nothing was written
 */
export function writeData(output: Output, streamId: number, flags: number, payload: Uint8Array): void {
  const { length } = payload;
  checkLength(length);
  const inline = length <= MAX_INLINE_LENGTH;
  const reserved = output.reserve(HEADER_LENGTH + (inline ? length : 0));
  const at = writeHeader(output.buffer, reserved, { length, streamId, type: MessageType.Data, flags });
  if (inline) output.buffer.set(payload, at);
  else output.append(payload);
}
