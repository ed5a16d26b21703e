import type { DescMethod, DescService, Message } from '@bufbuild/protobuf';
import type { Metadata } from '../metadata.ts';
import type { HandlerContext } from './context.ts';

/** What every call has that goes through server interceptors. */
export interface ServerCallInfo {
  readonly service: DescService;
  readonly method: DescMethod;
  readonly metadata: Metadata;
  readonly signal: AbortSignal;
  readonly context: HandlerContext;
}

/** A call on its way through server interceptors. */
export type ServerCall = ServerCallInfo &
  (
    | { readonly kind: 'unary' | 'server_streaming'; readonly message: Message }
    | { readonly kind: 'client_streaming' | 'bidi_streaming'; readonly message: AsyncIterable<Message> }
  );

/** The rest of the chain. Resolves with what the handler returned: a message's init, or an async iterable of them. */
export type ServerNext = (call: ServerCall) => Promise<unknown>;

/** Wraps every call of a server. The first interceptor is the outermost. */
export type ServerInterceptor = (next: ServerNext) => ServerNext;
