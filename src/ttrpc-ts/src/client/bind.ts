import type { Message } from '@bufbuild/protobuf';
import { Code } from '../code.ts';
import { Metadata } from '../metadata.ts';
import { StatusError } from '../status-error.ts';
import { type CallOptions, completeCallOptions } from './call-options.ts';
import type { BoundMethod, ClientConnection } from './connection.ts';
import type { ClientCall, ClientInterceptor, ClientNext } from './interceptor.ts';
import { callUnary } from './unary.ts';

/** Returns the function that calls a method, through the interceptors if there are any. */
export function bindMethod(
  connection: ClientConnection,
  bound: BoundMethod,
  interceptors: readonly ClientInterceptor[],
): Invoke {
  const invoke = invoker(connection, bound);
  if (interceptors.length === 0) return invoke;
  const last: ClientNext = async ({ message, signal, timeoutMs, metadata }) =>
    (await invoke(message, { signal, timeoutMs, metadata })) as Message;
  const chain = interceptors.reduceRight((next, interceptor) => interceptor(next), last);
  const { method } = bound;
  const { methodKind } = method;
  const intercept: Invoke = async (message, options) => {
    const { signal, timeoutMs, metadata } = completeCallOptions(options);
    const call = {
      service: method.parent,
      method,
      kind: methodKind,
      message,
      signal,
      timeoutMs,
      metadata: metadata?.clone() ?? new Metadata(),
    };
    return chain(call as ClientCall);
  };
  return intercept;
}

/** Calls a method with a message, or an iterable of them. */
export type Invoke = (input: unknown, options?: CallOptions) => unknown;

function invoker(connection: ClientConnection, bound: BoundMethod): Invoke {
  const { methodKind } = bound.method;
  if (methodKind === 'unary') return (message, options) => callUnary(connection, bound, { message, options });
  return () => Promise.reject(new StatusError(Code.Unimplemented, `Cannot call a ${methodKind} method yet`));
}
