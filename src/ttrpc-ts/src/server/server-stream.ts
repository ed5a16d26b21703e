import { Code } from '../code.ts';
import { StatusError } from '../status-error.ts';
import type { ActiveCall } from './call.ts';

/** Serves a call with one request and many answers. */
export async function serveServerStream(call: ActiveCall, payload: Uint8Array): Promise<void> {
  try {
    await sendAnswers(call, await call.route.handler(call.decode(payload), call.context));
  } catch (error) {
    call.fail(error);
  }
}

/** Sends what a handler yields, no faster than the client reads. */
export async function sendAnswers(call: ActiveCall, answers: unknown): Promise<void> {
  for await (const answer of asAsyncIterable(call, answers)) {
    if (call.ended) return;
    const turn = call.send(answer);
    if (turn === undefined) continue;
    await turn;
    if (call.ended) return;
  }
  call.closeStream();
}

function asAsyncIterable(call: ActiveCall, answers: unknown): AsyncIterable<unknown> {
  if (typeof answers === 'object' && answers !== null && Symbol.asyncIterator in answers) {
    return answers as AsyncIterable<unknown>;
  }
  throw new StatusError(
    Code.Internal,
    `The handler of ${call.route.method.toString()} returned no async iterable`,
  );
}
