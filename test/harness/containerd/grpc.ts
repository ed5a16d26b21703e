import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, Metadata, credentials } from '@grpc/grpc-js';

/** Options of one call. */
export interface GrpcCallOptions {
  /** containerd's namespace. @default "default" */
  readonly namespace?: string;
  /** Sent as the call's deadline; none by default. */
  readonly timeoutMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** Further metadata, such as `traceparent`. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A connection to a gRPC server. */
export interface GrpcConnection extends Disposable {
  /** Calls a method; rejects with grpc-js' ServiceError, which carries `code` and `details`. */
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options?: GrpcCallOptions,
  ): Promise<MessageShape<O>>;
}

/** Connects to a gRPC server on a unix socket; the first call dials. */
export function connectGrpc(socketPath: string): GrpcConnection {
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure());
  return {
    unary: (method, request, options = {}) => callUnary(client, method, request, options),
    [Symbol.dispose]: () => client.close(),
  };
}

async function callUnary<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  { namespace = 'default', timeoutMs, signal, metadata = {} }: GrpcCallOptions,
): Promise<MessageShape<O>> {
  signal?.throwIfAborted();
  const headers = Metadata.fromHttp2Headers({ ...metadata, 'containerd-namespace': namespace });
  const { promise, resolve, reject } = Promise.withResolvers<MessageShape<O>>();
  const call = client.makeUnaryRequest(
    `/${method.parent.typeName}/${method.name}`,
    (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
    (bytes: Buffer) => fromBinary(method.output, bytes),
    create(method.input, request),
    headers,
    timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs },
    (error, response) =>
      response === undefined ? reject(error ?? new Error('No answer')) : resolve(response),
  );
  const cancel = (): void => call.cancel();
  signal?.addEventListener('abort', cancel);
  return promise.finally(() => signal?.removeEventListener('abort', cancel));
}
