import type { Any } from '@bufbuild/protobuf/wkt';
import type { Code } from '../code.ts';
import { StatusError } from '../status-error.ts';
import { encodeField, encodeInt64 } from './field.ts';
import { WireReader } from './wire.ts';

/** Encodes a `google.rpc.Status`. */
export function encodeStatus(error: StatusError): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(0x08), encodeInt64(BigInt(error.code))];
  parts.push(encodeField(0x12, Buffer.from(error.message)));
  for (const detail of error.details) {
    const typeUrl = encodeField(0x0a, Buffer.from(detail.typeUrl));
    const value = encodeField(0x12, detail.value);
    parts.push(encodeField(0x1a, Buffer.concat([typeUrl, value]), { evenIfEmpty: true }));
  }
  return Buffer.concat(parts);
}

/** Decodes a `google.rpc.Status` into the error it stands for. Code 0 is no error, which the caller looks at. */
export function readStatus(buffer: Uint8Array, start: number, end: number): StatusError {
  let code = 0;
  let message = '';
  const details: Any[] = [];
  const reader = new WireReader().reset(buffer, start, end);
  while (reader.more) {
    const tag = reader.tag();
    if (tag === 0x08) code = Number(BigInt.asIntN(32, reader.int64()));
    else if (tag === 0x12) message = reader.string();
    else if (tag === 0x1a && details.length < MAX_DETAILS)
      details.push(readDetail(buffer, reader.bytes(), reader.at));
    else reader.skip(tag);
  }
  return new StatusError(code as Code, message, { details });
}

/** What comes beyond is left out, for the code and the message matter more. */
const MAX_DETAILS = 1024;

function readDetail(buffer: Uint8Array, start: number, end: number): Any {
  const detail: Any = { $typeName: 'google.protobuf.Any', typeUrl: '', value: new Uint8Array(0) };
  const reader = new WireReader().reset(buffer, start, end);
  while (reader.more) {
    const tag = reader.tag();
    if (tag === 0x0a) detail.typeUrl = reader.string();
    else if (tag === 0x12) {
      const valueStart = reader.bytes();
      detail.value = Uint8Array.from(buffer.subarray(valueStart, reader.at));
    } else reader.skip(tag);
  }
  return detail;
}
