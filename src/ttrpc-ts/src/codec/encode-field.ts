import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { varintLength, writeVarint } from '../envelope/wire.ts';
import { type Encoder, type Fields, scalarEncoders, type ValueEncoder } from './encode-value.ts';

/** Makes the encoder of a field. One of a kind that is not known here asks, when set, for the library. */
export function compileField(field: DescField, messages: (schema: DescMessage) => Encoder): Encoder {
  const { localName } = field;
  if (field.oneof) return oneofField(field, valueOf(field, messages));
  if (field.fieldKind === 'list') return listField(localName, field.number, valueOf(field, messages));
  if (field.fieldKind === 'map') return mapField(field, valueOf(field, messages));
  return singularField(field, valueOf(field, messages));
}

function singularField(field: DescField, value: ValueEncoder | undefined): Encoder {
  const name = field.localName;
  const presence: number = field.presence;
  const isImplicit = presence === IMPLICIT_PRESENCE;
  const isSet = (message: Fields): boolean => {
    const present = message[name];
    if (isImplicit) return value ? !value.isZero(present) : !Object.is(present, 0) && present !== 0n;
    // A default value of proto2 stands in the prototype.
    return present !== undefined && Object.hasOwn(message, name);
  };
  if (!value) return unknownField(isSet);
  const tag = tagOf(field.number, value);
  const tagLength = varintLength(tag);
  return {
    size: (message, lengths) => (isSet(message) ? tagLength + value.size(message[name], lengths) : 0),
    write(message, sink) {
      if (!isSet(message)) return;
      sink.at = writeVarint(sink.buffer, sink.at, tag);
      value.write(message[name], sink);
    },
  };
}

function oneofField(field: DescField, value: ValueEncoder | undefined): Encoder {
  const name = field.oneof!.localName;
  const isSet = (message: Fields): boolean =>
    (message[name] as OneofValue | undefined)?.case === field.localName;
  if (!value) return unknownField(isSet);
  const tag = tagOf(field.number, value);
  const chosen = (message: Fields): unknown => (message[name] as OneofValue).value;
  return {
    size: (message, lengths) =>
      isSet(message) ? varintLength(tag) + value.size(chosen(message), lengths) : 0,
    write(message, sink) {
      if (!isSet(message)) return;
      sink.at = writeVarint(sink.buffer, sink.at, tag);
      value.write(chosen(message), sink);
    },
  };
}

interface OneofValue {
  readonly case: string | undefined;
  readonly value?: unknown;
}

/** google.protobuf.FeatureSet.FieldPresence.IMPLICIT, which costs much to import. */
const IMPLICIT_PRESENCE = 2;

/** A list of what is length-delimited; numbers, which are packed, are left to the library. */
function listField(name: string, number: number, value: ValueEncoder | undefined): Encoder {
  const list = (message: Fields): readonly unknown[] => message[name] as readonly unknown[];
  if (value?.wireType !== 2) return unknownField((message) => list(message)?.length !== 0);
  const tag = tagOf(number, value);
  const tagLength = varintLength(tag);
  return {
    size(message, lengths) {
      if (!Array.isArray(message[name])) return Number.NaN;
      let length = 0;
      for (const each of list(message)) length += tagLength + value.size(each, lengths);
      return length;
    },
    write(message, sink) {
      for (const each of list(message)) {
        sink.at = writeVarint(sink.buffer, sink.at, tag);
        value.write(each, sink);
      }
    },
  };
}

function mapField(field: DescField & { fieldKind: 'map' }, value: ValueEncoder | undefined): Encoder {
  const name = field.localName;
  const key = field.mapKey === ScalarType.STRING ? scalarEncoders.get(field.mapKey) : undefined;
  if (!value || !key) return unknownField((message) => Object.keys(message[name] ?? {}).length !== 0);
  const [tag, keyTag, valueTag] = [(field.number << 3) | 2, tagOf(1, key), tagOf(2, value)];
  return {
    size(message, lengths) {
      let length = 0;
      for (const [each, of] of Object.entries(message[name] as Fields)) {
        const index = lengths.push(0) - 1;
        const entry = 2 + key.size(each, lengths) + value.size(of, lengths);
        lengths[index] = entry;
        length += varintLength(tag) + varintLength(entry) + entry;
      }
      return length;
    },
    write(message, sink) {
      for (const [each, of] of Object.entries(message[name] as Fields)) {
        const entry = sink.lengths[sink.nextLength++]!;
        sink.at = writeVarint(sink.buffer, writeVarint(sink.buffer, sink.at, tag), entry);
        sink.buffer[sink.at++] = keyTag;
        key.write(each, sink);
        sink.buffer[sink.at++] = valueTag;
        value.write(of, sink);
      }
    },
  };
}

/** A field that is left to the library where it is set. */
function unknownField(isSet: (message: Fields) => boolean): Encoder {
  return { size: (message) => (isSet(message) ? Number.NaN : 0), write: () => {} };
}

/** Returns the encoder of a field's values, or undefined where there is none here. */
function valueOf(field: DescField, messages: (schema: DescMessage) => Encoder): ValueEncoder | undefined {
  if (field.enum) return scalarEncoders.get(ScalarType.INT32);
  if (field.message) return hasOwnShape(field) ? messageValue(field.message, messages) : undefined;
  return field.scalar === undefined ? undefined : scalarEncoders.get(field.scalar);
}

/** Some well-known types are other values where they are fields, and groups are encoded otherwise. */
function hasOwnShape(field: DescField): boolean {
  if ('delimitedEncoding' in field && field.delimitedEncoding) return false;
  return !/^google\.protobuf\.(Struct|\w*Value)$/.test(field.message?.typeName ?? '');
}

function messageValue(schema: DescMessage, messages: (schema: DescMessage) => Encoder): ValueEncoder {
  const encoder = messages(schema);
  return {
    wireType: 2,
    isZero: (value) => value === undefined,
    size(value, lengths) {
      if (typeof value !== 'object' || value === null) return Number.NaN;
      const index = lengths.push(0) - 1;
      const length = encoder.size(value as Fields, lengths);
      lengths[index] = length;
      return varintLength(length) + length;
    },
    write(value, sink) {
      sink.at = writeVarint(sink.buffer, sink.at, sink.lengths[sink.nextLength++]!);
      encoder.write(value as Fields, sink);
    },
  };
}

function tagOf(number: number, value: ValueEncoder): number {
  return ((number << 3) | value.wireType) >>> 0;
}
