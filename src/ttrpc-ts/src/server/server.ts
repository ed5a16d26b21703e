import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { type Duplex } from 'node:stream';
import { Code } from '../code.ts';
import { type Codec, protobufCodec } from '../codec/codec.ts';
import { abortError } from '../error-status.ts';
import { completeLimits, type LimitOptions } from '../limits.ts';
import { StatusError } from '../status-error.ts';
import { ServerConnection, type ServerConnectionOptions } from './connection.ts';
import type { HandlerContext } from './context.ts';
import { bindHandler } from './handler.ts';
import type { ServerInterceptor } from './interceptor.ts';
import { type Listener, type ListenTarget, openListener } from './listener.ts';
import type { Peer } from './peer.ts';
import { Router } from './router.ts';
import type { ServiceImpl } from './service.ts';

/** Options of a server. */
export interface ServerOptions extends LimitOptions {
  /** Wrap every call, the first one outermost. @default none */
  readonly interceptors?: readonly ServerInterceptor[];
  /** Encodes and decodes payloads. @default protobuf by `@bufbuild/protobuf` */
  readonly codec?: Codec;
  /** Looks at a connection before anything is read from it; one it throws for is closed. @default all may call */
  readonly handshake?: (peer: Peer) => void | Promise<void>;
  /** Is told what a handler threw that was no `StatusError`. @default nobody */
  readonly onError?: (error: unknown, context: HandlerContext) => void;
  /** Is told that a connection has ended, and why. @default nobody */
  readonly onConnectionClose?: (peer: Peer, reason: StatusError) => void;
}

/** A ttrpc server. Disposing of it closes it. */
export interface Server extends AsyncDisposable {
  /**
   * Adds a service. A method that the implementation does not have answers Unimplemented.
   *
   * @throws StatusError AlreadyExists where a service of that name was added
   */
  service<Service extends DescService>(service: Service, implementation: Partial<ServiceImpl<Service>>): this;
  /**
   * Listens on a unix socket or a descriptor, as often as it is called.
   *
   * @throws StatusError InvalidArgument where the path has more than 107 bytes, AlreadyExists where it exists,
   *   FailedPrecondition where the server is closed
   */
  listen(target: ListenTarget): Promise<void>;
  /** Serves one connection that exists already. */
  handle(stream: Duplex): void;
  /**
   * Stops listening, answers every call that has arrived, and closes. Calls that come later are refused with
   * Unavailable. Where the signal aborts it rejects, and `close()` is left to do.
   */
  shutdown(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** Stops listening, cancels every call, closes, and waits until all of it is gone. */
  close(): Promise<void>;
}

/** Creates a server. It does nothing until it `listen()`s or is given a connection to `handle()`. */
export function createServer(options: ServerOptions = {}): Server {
  return new TtrpcServer(options);
}

class TtrpcServer implements Server {
  readonly #options: ServerOptions;
  readonly #shared: ServerConnectionOptions & { readonly router: Router };
  readonly #listeners = new Set<Listener>();
  readonly #connections = new Set<ServerConnection>();
  /** Connections that the handshake looks at. */
  readonly #arriving = new Set<Duplex>();
  #connectionCount = 0;
  #closed = false;

  constructor(options: ServerOptions) {
    const { codec = protobufCodec, onError } = options;
    this.#options = options;
    this.#shared = { codec, onError, limits: completeLimits(options), router: new Router() };
  }

  service<Service extends DescService>(
    service: Service,
    implementation: Partial<ServiceImpl<Service>>,
  ): this {
    const { router } = this.#shared;
    router.addService(service);
    const methods = implementation as Readonly<Record<string, unknown>>;
    for (const method of service.methods as readonly DescMethod[]) {
      const serve = methods[method.localName];
      if (typeof serve !== 'function') continue;
      const { interceptors = [] } = this.#options;
      router.addMethod(method, bindHandler(method, serve.bind(implementation), interceptors));
    }
    return this;
  }

  async listen(target: ListenTarget): Promise<void> {
    this.#checkOpen();
    const listener = await openListener(target, (socket, name) => this.#accept(socket, name));
    if (this.#closed) {
      await listener.close();
      this.#checkOpen();
    }
    this.#listeners.add(listener);
  }

  handle(stream: Duplex): void {
    this.#checkOpen();
    this.#accept(stream, undefined);
  }

  async shutdown({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const aborted = signal && rejectOnAbort(signal);
    try {
      const gone = this.#drain();
      await (aborted ? Promise.race([gone, aborted.promise]) : gone);
    } finally {
      aborted?.release();
    }
  }

  async close(): Promise<void> {
    const listeners = this.#closeListeners();
    for (const connection of this.#connections) connection.close();
    await this.#gone(listeners);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #drain(): Promise<void> {
    const listeners = this.#closeListeners();
    // One turn, in which what the kernel holds already is read.
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    for (const connection of this.#connections) connection.drain();
    await this.#gone(listeners);
  }

  #closeListeners(): Promise<unknown> {
    this.#closed = true;
    for (const stream of this.#arriving) stream.destroy();
    return Promise.all([...this.#listeners].map((listener) => listener.close()));
  }

  async #gone(listeners: Promise<unknown>): Promise<void> {
    await Promise.all([...this.#connections].map((connection) => connection.closed));
    await listeners;
    this.#listeners.clear();
  }

  #accept(stream: Duplex, listener: string | undefined): void {
    const peer: Peer = { connection: ++this.#connectionCount, listener, stream };
    if (this.#options.handshake) void this.#acceptAfterHandshake(peer, this.#options.handshake);
    else this.#serve(peer);
  }

  async #acceptAfterHandshake(peer: Peer, handshake: (peer: Peer) => void | Promise<void>): Promise<void> {
    this.#arriving.add(peer.stream);
    peer.stream.on('error', ignore);
    try {
      await handshake(peer);
      if (this.#closed) peer.stream.destroy();
      else this.#serve(peer);
    } catch {
      peer.stream.destroy();
    } finally {
      this.#arriving.delete(peer.stream);
    }
  }

  #serve(peer: Peer): void {
    const connection = new ServerConnection(peer, this.#shared);
    this.#connections.add(connection);
    void this.#release(connection);
  }

  async #release(connection: ServerConnection): Promise<void> {
    const reason = await connection.closed;
    this.#connections.delete(connection);
    try {
      this.#options.onConnectionClose?.(connection.peer, reason);
    } catch {
      // A broken observer must not end the process.
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new StatusError(Code.FailedPrecondition, 'Cannot serve: the server is closed');
  }
}

function ignore(): void {}

function rejectOnAbort(signal: AbortSignal): { promise: Promise<never>; release: () => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => {
    reject(abortError(signal.reason, 'Cannot finish the shutdown: the signal is aborted'));
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return { promise, release: () => signal.removeEventListener('abort', onAbort) };
}
