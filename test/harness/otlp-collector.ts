import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';

/** One export that a collector got. */
export interface Received {
  readonly url: string | undefined;
  readonly method: string | undefined;
  readonly type: string | undefined;
  readonly authorization: string | undefined;
  readonly body: Buffer;
}

/** An OTLP collector that keeps what it gets, on loopback. Disposal ends every connection. */
export interface OtlpCollector extends AsyncDisposable {
  readonly endpoint: string;
  readonly received: readonly Received[];
  /** How many connections are open. */
  connections(): Promise<number>;
}

/** How a collector answers. */
export type Respond = (response: ServerResponse) => void;

/** Takes what comes, as OTLP over HTTP says. */
export const accept: Respond = (response) =>
  void response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();

/** Opens a collector. */
export async function openOtlpCollector(respond: Respond = accept): Promise<OtlpCollector> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    void request.toArray().then((chunks) => {
      const { url, method, headers } = request;
      const { 'content-type': type, authorization } = headers;
      received.push({ url, method, type, authorization, body: Buffer.concat(chunks) });
      respond(response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    connections: promisify(server.getConnections.bind(server)),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Begins an answer and never ends it: a byte at a time, for as long as somebody listens. */
export const drip =
  (status: number): Respond =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/x-protobuf' });
    const timer = setInterval(() => response.write('.'), 20);
    response.once('close', () => clearInterval(timer));
  };
