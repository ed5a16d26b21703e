import type { DescMethod, DescService, Message } from '@bufbuild/protobuf';
import type { Metadata } from '../metadata.ts';

/** What every call has that goes through client interceptors. */
export interface ClientCallInfo {
  readonly service: DescService;
  readonly method: DescMethod;
  /** The metadata that will be sent, to be added to. */
  readonly metadata: Metadata;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
}

/** A call on its way through client interceptors. */
export type ClientCall = ClientCallInfo &
  (
    | { readonly kind: 'unary' | 'server_streaming'; readonly message: unknown }
    | { readonly kind: 'client_streaming' | 'bidi_streaming'; readonly message: AsyncIterable<unknown> }
  );

/** The rest of the chain. Resolves with the answer: a message, or an async iterable where the server streams. */
export type ClientNext = (call: ClientCall) => Promise<Message | AsyncIterable<Message>>;

/** Wraps every call of a transport. The first interceptor is the outermost. */
export type ClientInterceptor = (next: ClientNext) => ClientNext;
