import { serveBidiStream } from './bidi-stream.ts';
import { ActiveCall } from './call.ts';
import { serveClientStream } from './client-stream.ts';
import type { CallContext } from './context.ts';
import type { AnswerPort } from './port.ts';
import type { Route } from './router.ts';
import { serveServerStream } from './server-stream.ts';
import { StreamingCall } from './streaming-call.ts';
import { serveUnary } from './unary.ts';

/** A request that found its route. */
export interface IncomingCall {
  readonly streamId: number;
  readonly context: CallContext;
  readonly payload: Uint8Array;
  readonly register: (call: ActiveCall) => void;
}

/** Starts to serve a call, as its method's kind has it; the flags of the request do not count, as in Go. */
export function serveCall(port: AnswerPort, route: Route, incoming: IncomingCall): void {
  const { payload, register } = incoming;
  const { methodKind } = route.method;
  if (methodKind === 'unary' || methodKind === 'server_streaming') {
    const call = new ActiveCall(port, route, incoming);
    register(call);
    if (methodKind === 'unary') serveUnary(call, payload);
    else void serveServerStream(call, payload);
    return;
  }
  const call = new StreamingCall(port, route, incoming);
  register(call);
  // Go and Rust send a first message along only where there is one; an empty payload is none.
  if (payload.length > 0) call.requests.push(payload);
  void (methodKind === 'client_streaming' ? serveClientStream(call) : serveBidiStream(call));
}
