import type { Message } from '@bufbuild/protobuf';
import { Metadata } from '../metadata.ts';
import { callBidiStream } from './bidi-stream.ts';
import { type CallOptions, completeCallOptions } from './call-options.ts';
import { callClientStream } from './client-stream.ts';
import { InterceptedAnswers } from './intercepted-answers.ts';
import type { ClientCall, ClientInterceptor, ClientNext } from './interceptor.ts';
import type { BoundMethod, CallPort } from './port.ts';
import { callServerStream } from './server-stream.ts';
import { callUnary } from './unary.ts';

/** Calls a method with a message, or an iterable of them. */
export type Invoke = (input: unknown, options?: CallOptions) => Promise<Message> | AsyncIterable<Message>;

/** Returns the function that calls a method, through the interceptors if there are any. */
export function bindMethod(
  port: CallPort,
  bound: BoundMethod,
  interceptors: readonly ClientInterceptor[],
): Invoke {
  const invoke = invoker(port, bound);
  if (interceptors.length === 0) return invoke;
  const last: ClientNext = async ({ message, signal, timeoutMs, metadata }) =>
    invoke(message, { signal, timeoutMs, metadata });
  const chain = interceptors.reduceRight((next, interceptor) => interceptor(next), last);
  const { method } = bound;
  const intercept = async (
    message: unknown,
    options?: CallOptions,
  ): Promise<Message | AsyncIterable<Message>> => {
    const complete = completeCallOptions(options);
    const metadata = complete.metadata?.clone() ?? new Metadata();
    return chain({
      ...complete,
      service: method.parent,
      method,
      kind: method.methodKind,
      message,
      metadata,
    } as ClientCall);
  };
  if (method.methodKind === 'unary' || method.methodKind === 'client_streaming') {
    return intercept as (message: unknown, options?: CallOptions) => Promise<Message>;
  }
  return (message, options) =>
    new InterceptedAnswers(intercept(message, options) as Promise<AsyncIterable<Message, undefined>>);
}

function invoker(port: CallPort, bound: BoundMethod): Invoke {
  const { methodKind } = bound.method;
  if (methodKind === 'unary') return (message, options) => callUnary(port, bound, { message, options });
  if (methodKind === 'server_streaming') {
    return (message, options) => callServerStream(port, bound, { message, options });
  }
  const call = methodKind === 'client_streaming' ? callClientStream : callBidiStream;
  return (messages, options) => call(port, bound, { messages: messages as AsyncIterable<unknown>, options });
}
