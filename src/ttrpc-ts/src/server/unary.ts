import type { ActiveCall } from './call.ts';

/** Serves a unary call. */
export function serveUnary(call: ActiveCall, payload: Uint8Array): void {
  try {
    const answer = call.route.handler(call.decode(payload), call.context);
    if (isThenable(answer))
      answer.then(
        (message) => call.reply(message),
        (error: unknown) => call.fail(error),
      );
    else call.reply(answer);
  } catch (error) {
    call.fail(error);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
