import type { Message } from '@bufbuild/protobuf';
import { Flag } from '../channel/frame.ts';
import type { CallOptions } from './call-options.ts';
import type { BoundMethod, ClientConnection } from './connection.ts';
import { sendInput } from './input.ts';
import { StreamCall } from './stream-call.ts';

/** Calls a method with many requests and many answers. */
export function callBidiStream(
  connection: ClientConnection,
  bound: BoundMethod,
  { messages, options }: { messages: AsyncIterable<unknown>; options: CallOptions | undefined },
): AsyncIterable<Message> {
  const call = new StreamCall(connection, bound);
  const onOpen = (): void => void sendInput(call, messages);
  // Without the flag a Rust server takes the request's empty payload for a first message.
  call.start({ flags: Flag.RemoteOpen | Flag.NoData, options, payload: () => noPayload, onOpen });
  return call.answers;
}

const noPayload = new Uint8Array(0);
