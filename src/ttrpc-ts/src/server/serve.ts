import { Code } from '../code.ts';
import { StatusError } from '../status-error.ts';
import { ActiveCall } from './call.ts';
import type { ServerConnection } from './connection.ts';
import type { CallContext } from './context.ts';
import type { Route } from './router.ts';
import { serveUnary } from './unary.ts';

/** A request that found its route. */
export interface IncomingCall {
  readonly streamId: number;
  readonly context: CallContext;
  readonly payload: Uint8Array;
  readonly register: (call: ActiveCall) => void;
}

/** Starts to serve a call, as its method's kind has it; the flags of the request do not count, as in Go. */
export function serveCall(connection: ServerConnection, route: Route, incoming: IncomingCall): void {
  if (route.method.methodKind !== 'unary') {
    throw new StatusError(Code.Unimplemented, `method ${route.method.name}`);
  }
  const call = new ActiveCall(connection, route, incoming);
  incoming.register(call);
  serveUnary(call, incoming.payload);
}
