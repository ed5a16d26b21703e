import type { Message } from '@bufbuild/protobuf';
import { Flag } from '../channel/frame.ts';
import type { CallOptions } from './call-options.ts';
import type { BoundMethod, CallPort } from './port.ts';
import { StreamCall } from './stream-call.ts';

/** Calls a method with one request and many answers. */
export function callServerStream(
  port: CallPort,
  bound: BoundMethod,
  { message, options }: { message: unknown; options: CallOptions | undefined },
): AsyncIterable<Message> {
  const call = new StreamCall(port, bound);
  const payload = (): Uint8Array => port.encode(bound.method.input, message);
  call.start({ flags: Flag.RemoteClosed, options, payload });
  return call.answers;
}
