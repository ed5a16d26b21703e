import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { Code, messageOf, StatusError, type CallOptions } from 'containerd-shim-virtiofs/plugin';

/** One request of nydusd's API. */
export interface Request {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: object;
}

/** How a request is waited for. */
export interface RequestOptions extends CallOptions {
  /** True where no process stays for the answer. */
  readonly isBackground?: boolean;
}

/** What nydusd answered. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Its answer to what it has done has no text. */
const NO_CONTENT = 204;

/** nydusd's limit, in bytes (dbs-uhttp). It refuses a larger body, and drops requests that wait on the same connection. */
export const MAX_BODY_BYTES = 51_200;

/**
 * Sends one request on a connection of its own and reads the answer.
 *
 * @throws StatusError InvalidArgument where the body is larger than nydusd takes, Unavailable where nobody answers on the
 *   socket; the signal's reason
 */
export async function sendRequest(
  socketPath: string,
  { method, path, body }: Request,
  { signal, isBackground = false }: RequestOptions,
): Promise<Answer> {
  signal?.throwIfAborted();
  const payload = body === undefined ? '' : JSON.stringify(body);
  const length = Buffer.byteLength(payload);
  if (length > MAX_BODY_BYTES) {
    const message = `The request has ${length} bytes, and nydusd takes at most ${MAX_BODY_BYTES}: shorten the configuration`;
    throw new StatusError(Code.InvalidArgument, message);
  }
  // It reads no chunked bodies.
  const headers = { 'Content-Type': 'application/json', 'Content-Length': length };
  // Not imported: that loads all that the module names, a whole client of fetch too, which is 40 ms and 15 MiB.
  const { request } = process.getBuiltinModule('node:http');
  const outgoing = request({
    socketPath,
    method,
    path,
    headers,
    agent: false,
    ...(signal ? { signal } : {}),
  });
  if (isBackground) outgoing.once('socket', (socket) => socket.unref());
  try {
    outgoing.end(payload);
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    const { statusCode: status = 0 } = incoming;
    return { status, text: status === NO_CONTENT ? '' : await text(incoming) };
  } catch (cause) {
    signal?.throwIfAborted();
    const message =
      `nydusd does not answer on its API socket "${socketPath}" (${messageOf(cause)}): what is mounted stays; ` +
      'for more, open the share again';
    throw new StatusError(Code.Unavailable, message, { cause });
  } finally {
    outgoing.destroy();
  }
}
