import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { WireReader, WireType } from '../envelope/wire.ts';

/**
 * Checks that every field of an encoded message, and of the messages in it, ends within the message that it is in.
 *
 * `fromBinary()` looks at the lower 32 bits of a length alone, so that 2^63 is 0 for it, and lets a field run over
 * the end of its message; Go refuses both.
 *
 * @throws Error where the bytes are malformed
 */
export function checkLengths(schema: DescMessage, payload: Uint8Array): void {
  const shape = shapeOf(schema);
  reader.reset(payload, 0, payload.length);
  if (shape.size > 0) checkFields(shape, { bytes: payload, end: payload.length, depth: 0 }, reader);
  else while (reader.more) reader.skip(reader.tag());
}

/** The fields of a message that are messages, by their numbers. */
type Shape = Map<number, Shape>;

/** What is checked: the bytes until an end or, in a group, until its end marker. */
interface Part {
  readonly bytes: Uint8Array;
  readonly end: number;
  readonly depth: number;
  readonly group?: number;
}

function checkFields(shape: Shape, part: Part, fields: WireReader): void {
  while (fields.more) {
    const tag = fields.tag();
    const number = tag >>> 3;
    const wireType = tag & 7;
    if (wireType === WireType.EndGroup && number === part.group) return;
    const child = part.depth < MAX_DEPTH ? shape.get(number) : undefined;
    if (child === undefined) fields.skip(tag);
    else if (wireType === WireType.StartGroup) {
      checkFields(child, { ...part, depth: part.depth + 1, group: number }, fields);
    } else if (wireType === WireType.Bytes) {
      const start = fields.bytes();
      const end = fields.at;
      checkFields(
        child,
        { bytes: part.bytes, end, depth: part.depth + 1 },
        fields.reset(part.bytes, start, end),
      );
      fields.reset(part.bytes, end, part.end);
    } else fields.skip(tag);
  }
  if (part.group !== undefined) throw new Error('unexpected EOF');
}

/** Deeper than `fromBinary()` goes. */
const MAX_DEPTH = 100;

function shapeOf(schema: DescMessage): Shape {
  let shape = shapes.get(schema);
  if (shape !== undefined) return shape;
  shape = new Map();
  // Known before its fields are looked at, which may be of its own type.
  shapes.set(schema, shape);
  for (const field of schema.fields) {
    const child = childOf(field);
    if (child) shape.set(field.number, child);
  }
  return shape;
}

function childOf(field: DescField): Shape | undefined {
  const shape = field.message && shapeOf(field.message);
  if (field.fieldKind !== 'map') return shape;
  // The entries of a map are messages that have their value in field 2.
  return new Map(shape && [[2, shape]]);
}

const shapes = new WeakMap<DescMessage, Shape>();
const reader = new WireReader();
