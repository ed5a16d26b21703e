import type { DescMethod, Message } from '@bufbuild/protobuf';
import { Flag } from '../channel/frame.ts';
import { Code } from '../code.ts';
import { StatusError } from '../status-error.ts';
import type { CallOptions } from './call-options.ts';
import type { BoundMethod, CallPort } from './port.ts';
import { sendInput } from './input.ts';
import { StreamCall } from './stream-call.ts';

/** Calls a method with many requests and many answers. */
export function callBidiStream(
  port: CallPort,
  bound: BoundMethod,
  { messages, options }: { messages: AsyncIterable<unknown>; options: CallOptions | undefined },
): AsyncIterable<Message> {
  const call = new StreamCall(port, bound);
  if (!isAsyncIterable(messages)) {
    call.fail(notIterableError(bound.method));
    return call.answers;
  }
  const onOpen = (): void => void sendInput(call, messages);
  // Without the flag a Rust server takes the request's empty payload for a first message.
  call.start({ flags: Flag.RemoteOpen | Flag.NoData, options, payload: () => NO_PAYLOAD, onOpen });
  return call.answers;
}

function isAsyncIterable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

function notIterableError(method: DescMethod): StatusError {
  return new StatusError(
    Code.InvalidArgument,
    `Cannot call ${method.toString()}: its requests are no async iterable`,
  );
}

const NO_PAYLOAD = new Uint8Array(0);
