import { messageTypeName } from '../channel/frame.ts';
import { Code } from '../code.ts';
import { StatusError } from '../status-error.ts';

/** The error of a frame that the kind of call does not allow, in Go's words. */
export function protocolError(type: number): StatusError {
  return new StatusError(
    Code.Internal,
    `unexpected "${messageTypeName(type)}" message received: protocol error`,
  );
}

/** The error that a call rejects with when something failed on this side. */
export function callError(error: unknown): StatusError {
  if (StatusError.is(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new StatusError(Code.Internal, message, { cause: error });
}
