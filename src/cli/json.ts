import { toJson, type DescMessage, type JsonValue, type MessageShape } from '@bufbuild/protobuf';

/** A message of the share service: its own names in camelCase; what is zero, false or empty is there, what is unknown not. */
export const jsonOf = <Schema extends DescMessage>(
  schema: Schema,
  message: MessageShape<Schema>,
): JsonValue => toJson(schema, message, { alwaysEmitImplicit: true });

/** JSON on a line, or a document to read. Nothing in it steers a terminal. */
export const jsonText = (value: JsonValue, form: 'line' | 'document'): string =>
  `${escaped(JSON.stringify(value, undefined, form === 'line' ? 0 : 2))}\n`;

/** JSON's own escapes leave these; {@link printable} would make what no parser reads. */
const STEERING = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const escaped = (json: string): string =>
  json.replaceAll(
    STEERING,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
