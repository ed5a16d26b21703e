import { Code } from './code.ts';
import { StatusError } from './status-error.ts';

/**
 * Translates what a handler threw into the status that its caller receives.
 *
 * A `StatusError` stays as it is, also as the cause of another error, whose message then counts. AbortError is
 * Canceled, or what aborted it; TimeoutError is DeadlineExceeded; ENOENT, EEXIST and EACCES are NotFound,
 * AlreadyExists and PermissionDenied; everything else is Unknown.
 */
export function toStatusError(error: unknown): StatusError {
  if (StatusError.is(error)) return sendable(error);
  if (!(error instanceof Error)) return new StatusError(Code.Unknown, describe(error), { cause: error });
  const wrapped = statusInCause(error);
  if (wrapped) {
    const message = error.name === 'AbortError' ? wrapped.message : error.message;
    return sendable(new StatusError(wrapped.code, message, { cause: error, details: wrapped.details }));
  }
  return new StatusError(codeOf(error), error.message, { cause: error });
}

/** The error of what an aborted signal ended, with its reason as the cause; the messages are Go's unless given. */
export function abortError(reason: unknown, message?: string): StatusError {
  if (message === undefined && StatusError.is(reason)) return reason;
  if (!isTimeout(reason)) return canceledError(reason, message);
  return new StatusError(Code.DeadlineExceeded, message ?? deadlineError().message, { cause: reason });
}

/** The error of a call whose deadline has passed; the message is Go's. */
export function deadlineError(): StatusError {
  return new StatusError(Code.DeadlineExceeded, 'context deadline exceeded');
}

/** The error of what nobody waits for any more; the message is Go's unless given. */
export function canceledError(cause?: unknown, message = 'context canceled'): StatusError {
  return new StatusError(Code.Canceled, message, cause === undefined ? {} : { cause });
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}

function codeOf(error: Error): Code {
  if (isTimeout(error)) return Code.DeadlineExceeded;
  if (error.name === 'AbortError') return Code.Canceled;
  const { code } = error as NodeJS.ErrnoException;
  return (typeof code === 'string' ? codesByErrno.get(code) : undefined) ?? Code.Unknown;
}

const codesByErrno = new Map<string, Code>([
  ['ENOENT', Code.NotFound],
  ['EEXIST', Code.AlreadyExists],
  ['EACCES', Code.PermissionDenied],
]);

/** Follows causes, not forever: a chain may lead back to itself. */
function statusInCause(error: Error): StatusError | undefined {
  let { cause } = error;
  for (let depth = 0; depth < MAX_CAUSE_DEPTH && cause !== undefined; depth++) {
    if (StatusError.is(cause)) return cause;
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return undefined;
}

const MAX_CAUSE_DEPTH = 16;

/** An error must not travel as success, nor with a code that is none. */
function sendable(error: StatusError): StatusError {
  if (Number.isInteger(error.code) && error.code !== Code.Ok) return error;
  return new StatusError(Code.Unknown, error.message, { cause: error, details: error.details });
}

function describe(value: unknown): string {
  try {
    return String(value);
  } catch {
    return 'The handler threw a value that cannot be shown';
  }
}
