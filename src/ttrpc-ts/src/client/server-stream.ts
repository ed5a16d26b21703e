import type { Message } from '@bufbuild/protobuf';
import { Flag } from '../channel/frame.ts';
import type { CallOptions } from './call-options.ts';
import type { BoundMethod, ClientConnection } from './connection.ts';
import { StreamCall } from './stream-call.ts';

/** Calls a method with one request and many answers. */
export function callServerStream(
  connection: ClientConnection,
  bound: BoundMethod,
  { message, options }: { message: unknown; options: CallOptions | undefined },
): AsyncIterable<Message> {
  const call = new StreamCall(connection, bound);
  const payload = (): Uint8Array => connection.encode(bound.method.input, message);
  call.start({ flags: Flag.RemoteClosed, options, payload });
  return call.answers;
}
