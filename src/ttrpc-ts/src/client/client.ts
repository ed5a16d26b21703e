import type {
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { CallOptions } from './call-options.ts';
import type { Transport } from './transport.ts';

/**
 * Creates a client of a service: an object with a method for each of the service's, named in lowerCamelCase.
 *
 * A unary or client-streaming method returns a promise, the other two an async iterable. All reject with a
 * `StatusError`: the server's, or one of this side (Canceled, DeadlineExceeded, Unavailable, ResourceExhausted).
 * A streaming call starts at once and not when it is first iterated; leaving its loop abandons it.
 */
export function createClient<Service extends DescService>(
  service: Service,
  transport: Transport,
): Client<Service> {
  const client: Record<string, unknown> = {};
  for (const method of service.methods) client[method.localName] = transport.bind(method);
  return client as Client<Service>;
}

/** A client of a service, typed by its descriptor. */
export type Client<Service extends DescService> = {
  readonly [Name in keyof Service['method']]: ClientMethod<Service['method'][Name]>;
};

/** A client's method, typed by its descriptor. */
export type ClientMethod<Method extends DescMethod> =
  Method extends DescMethodUnary<infer Input, infer Output>
    ? (request: MessageInitShape<Input>, options?: CallOptions) => Promise<MessageShape<Output>>
    : Method extends DescMethodServerStreaming<infer Input, infer Output>
      ? (request: MessageInitShape<Input>, options?: CallOptions) => AsyncIterable<MessageShape<Output>>
      : Method extends DescMethodClientStreaming<infer Input, infer Output>
        ? (
            requests: AsyncIterable<MessageInitShape<Input>>,
            options?: CallOptions,
          ) => Promise<MessageShape<Output>>
        : Method extends DescMethodBiDiStreaming<infer Input, infer Output>
          ? (
              requests: AsyncIterable<MessageInitShape<Input>>,
              options?: CallOptions,
            ) => AsyncIterable<MessageShape<Output>>
          : never;
