import type { StreamingCall } from './streaming-call.ts';

/** Serves a call with many requests and one answer. */
export async function serveClientStream(call: StreamingCall): Promise<void> {
  try {
    call.reply(await call.route.handler(call.requests, call.context));
  } catch (error) {
    call.fail(error);
  }
}
