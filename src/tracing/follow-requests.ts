import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { addAbortSignal } from 'node:stream';
import { EXCERPT_BYTES } from './excerpt.ts';

/** Requests of one action: what ends them, and what has come of the last of them so far. */
export interface Exchange {
  readonly signal: AbortSignal;
  outcome?: Answer | Error | undefined;
}

/** What a server said. */
export interface Answer {
  readonly status: number;
  readonly statusText: string;
  /** At least its first {@link EXCERPT_BYTES}, once they have come. */
  body: Buffer;
}

/** Follows the HTTP requests of actions, for a library that neither gives them up nor tells what was answered. */
export interface Requests extends Disposable {
  follow(exchange: Exchange, action: () => void): void;
}

/** Node.js tells there of each request of this process, in the asynchronous context that makes it. */
const CHANNEL = 'http.client.request.created';

/** Begins to follow requests. Disposal ends that. */
export function followRequests(): Requests {
  const exchanges = new AsyncLocalStorage<Exchange>();
  const onRequest = (message: unknown): void => {
    const exchange = exchanges.getStore();
    if (!exchange) return;
    const { request } = message as { request: ClientRequest };
    addAbortSignal(exchange.signal, request);
    exchange.outcome = undefined;
    request.once('response', (response) => (exchange.outcome = answerOf(response)));
    request.once('error', (error) => {
      if (!exchange.signal.aborted) exchange.outcome ??= error;
    });
  };
  subscribe(CHANNEL, onRequest);
  return {
    follow: (exchange, action) => exchanges.run(exchange, action),
    [Symbol.dispose]: () => void unsubscribe(CHANNEL, onRequest),
  };
}

function answerOf(response: IncomingMessage): Answer {
  const { statusCode = 0, statusMessage = '' } = response;
  const answer: Answer = { status: statusCode, statusText: statusMessage, body: Buffer.alloc(0) };
  response.on('data', (chunk: Buffer) => {
    if (answer.body.length <= EXCERPT_BYTES) answer.body = Buffer.concat([answer.body, chunk]);
  });
  return answer;
}
