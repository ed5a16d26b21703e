import { connect as connectSocket, type Socket } from 'node:net';
import { type Duplex } from 'node:stream';
import { checkSocketPath } from '../address.ts';
import { Code } from '../code.ts';
import { type Codec, protobufCodec } from '../codec/codec.ts';
import { completeLimits, type LimitOptions } from '../limits.ts';
import { StatusError } from '../status-error.ts';
import { encodeRoute } from '../envelope/request.ts';
import { abortError } from '../error-status.ts';
import { bindMethod } from './bind.ts';
import { ClientConnection } from './connection.ts';
import type { ClientInterceptor } from './interceptor.ts';
import type { Transport } from './transport.ts';

/** Options of `connect()`: where to, and how to call. */
export type ConnectOptions = ConnectTarget & ClientOptions;

/** Where a client connects: the path of a unix socket, or a stream that is connected already. */
export type ConnectTarget =
  | { readonly path: string; readonly stream?: never }
  | { readonly stream: Duplex; readonly path?: never };

/** How a client calls. */
export interface ClientOptions extends LimitOptions {
  /** Ends the attempt to connect; an open connection is closed by `close()` alone. */
  readonly signal?: AbortSignal | undefined;
  /** Wrap every call, the first one outermost. @default none */
  readonly interceptors?: readonly ClientInterceptor[];
  /** Encodes and decodes payloads. @default protobuf by `@bufbuild/protobuf` */
  readonly codec?: Codec;
}

/**
 * Connects to a ttrpc server.
 *
 * @throws StatusError Unavailable with its cause where nothing answers, Canceled where the signal is aborted,
 *   InvalidArgument where the path has more than 107 bytes
 */
export async function connect(options: ConnectOptions): Promise<Transport> {
  const limits = completeLimits(options);
  const stream = options.stream ?? (await openSocket(options.path, options.signal));
  const { codec = protobufCodec, interceptors = [] } = options;
  const connection = new ClientConnection(stream, { codec, limits });
  return {
    closed: connection.closed,
    bind(method) {
      const route = encodeRoute(method.parent.typeName, method.name);
      return bindMethod(connection, { method, route }, interceptors);
    },
    close: () => connection.close(),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

function openSocket(path: string, signal: AbortSignal | undefined): Promise<Socket> {
  checkSocketPath(path);
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const aborted = (): StatusError =>
    abortError(signal?.reason, `Cannot connect to "${path}": the signal is aborted`);
  if (signal?.aborted) throw aborted();
  const socket = connectSocket({ path });
  const onAbort = (): void => {
    socket.destroy();
    settle();
    reject(aborted());
  };
  const onConnect = (): void => {
    settle();
    resolve(socket);
  };
  const onError = (cause: Error): void => {
    settle();
    reject(new StatusError(Code.Unavailable, `Cannot connect to "${path}": ${cause.message}`, { cause }));
  };
  const settle = (): void => {
    signal?.removeEventListener('abort', onAbort);
    socket.off('connect', onConnect);
    socket.off('error', onError);
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  socket.once('connect', onConnect);
  socket.once('error', onError);
  return promise;
}
