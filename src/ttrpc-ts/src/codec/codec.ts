import { type DescMessage, fromBinary, type Message } from '@bufbuild/protobuf';
import { checkLengths } from './check-lengths.ts';
import { encodeMessage } from './encode.ts';

/**
 * Turns messages into payload bytes and back.
 *
 * A codec of your own may hold faster hand-written code for some messages. `encode` receives what the caller or
 * the handler passed: a message or what initialises one. The bytes it returns are written later, so it must not
 * change them. The bytes given to `decode` belong to the connection's input and may be referred to.
 */
export interface Codec {
  encode(schema: DescMessage, message: unknown): Uint8Array;
  decode(schema: DescMessage, payload: Uint8Array): Message;
}

/** The codec used unless another is given: protobuf, by `@bufbuild/protobuf`. */
export const protobufCodec: Codec = {
  encode: encodeMessage,
  decode(schema, payload) {
    checkLengths(schema, payload);
    return fromBinary(schema, payload);
  },
};
