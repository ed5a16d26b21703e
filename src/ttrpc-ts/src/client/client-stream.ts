import type { Message } from '@bufbuild/protobuf';
import { callBidiStream } from './bidi-stream.ts';
import type { CallOptions } from './call-options.ts';
import type { BoundMethod, CallPort } from './port.ts';
import { protocolError } from './errors.ts';

/** Calls a method with many requests and one answer. */
export async function callClientStream(
  port: CallPort,
  bound: BoundMethod,
  call: { messages: AsyncIterable<unknown>; options: CallOptions | undefined },
): Promise<Message> {
  for await (const answer of callBidiStream(port, bound, call)) return answer;
  throw protocolError(0);
}
