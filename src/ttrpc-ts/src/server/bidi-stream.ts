import { sendAnswers } from './server-stream.ts';
import type { StreamingCall } from './streaming-call.ts';

/** Serves a call with many requests and many answers. */
export async function serveBidiStream(call: StreamingCall): Promise<void> {
  try {
    await sendAnswers(call, await call.route.handler(call.requests, call.context));
  } catch (error) {
    call.fail(error);
  }
}
