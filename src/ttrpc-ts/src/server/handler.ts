import type { DescMethod } from '@bufbuild/protobuf';
import type { ServerCall, ServerInterceptor, ServerNext } from './interceptor.ts';
import type { Handler } from './router.ts';

/** Puts the interceptors around what serves a method. */
export function bindHandler(
  method: DescMethod,
  serve: Handler,
  interceptors: readonly ServerInterceptor[],
): Handler {
  if (interceptors.length === 0) return serve;
  const last: ServerNext = async (call) => serve(call.message, call.context as Parameters<Handler>[1]);
  const chain = interceptors.reduceRight((next, interceptor) => interceptor(next), last);
  return (message, context) => {
    const call = {
      service: method.parent,
      method,
      kind: method.methodKind,
      message,
      context,
      metadata: context.requestMetadata,
      get signal() {
        return context.signal;
      },
    };
    return chain(call as ServerCall);
  };
}
