import { type Code as ConnectCode, ConnectError, type Interceptor } from '@connectrpc/connect';
import type { Logger } from 'pino';
import { StatusError, toStatusError } from 'ttrpc-ts';
import { abortable } from '../../async/abortable.ts';
import { takeTurn } from '../../async/take-turn.ts';
import type { Host } from '../../host/host.ts';
import { printableLines } from '../../text/printable.ts';
import { isLasting, type Gate } from '../hand-over/gate.ts';
import { namespaceOfHeaders } from '../namespace.ts';
import { traceCall } from '../trace-calls.ts';

/** What all gRPC calls have: they wait for adoption, have a span and a log line, and fail with a status of ours. */
export function callInterceptor({
  adopted,
  log,
  gate,
}: {
  adopted: Host['adopted'];
  log: Logger;
  gate: Gate;
}): Interceptor {
  return (next) => async (request) => {
    // Create waits by itself for the one sandbox that it is of, where another host left that.
    if (request.method.name !== 'Create') await abortable(adopted, request.signal);
    // One connection brings the calls of all sandboxes: what many of them begin must not keep the loop from the others.
    await takeTurn();
    const { method, message, header } = request;
    const metadata = { get: (key: string) => header.get(key), keys: () => [...header.keys()] };
    const namespace = namespaceOfHeaders(header);
    try {
      const call = { system: 'grpc', method, message, namespace, metadata } as const;
      const run = () => traceCall(call, { log, run: () => next(request).catch(rejectWithStatus) });
      return await (isLasting(method) ? run() : gate.pass(run, () => request.signal));
    } catch (error) {
      throw StatusError.is(error) ? toConnectError(error) : error;
    }
  };
}

/** Inside of the span, which tells the code. */
function rejectWithStatus(error: unknown): never {
  throw error instanceof ConnectError
    ? new StatusError(error.code, error.rawMessage, { cause: error.cause ?? error })
    : toStatusError(error);
}

const toConnectError = (error: StatusError): ConnectError =>
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- the codes of both are gRPC's
  new ConnectError(printableLines(error.message), error.code as ConnectCode, undefined, undefined, error);
