/**
 * The status codes of ttrpc, which are those of gRPC.
 *
 * An object and not an enum, so that Node.js runs this file by type stripping.
 */
export const Code = {
  Ok: 0,
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;

/** A status code. A peer may send one that `Code` does not name; it is passed on as the number that it is. */
export type Code = (typeof Code)[keyof typeof Code];

/** Returns the name of a code as `Code` spells it, or `Code(<number>)` for one it does not name. */
export function codeName(code: number): string {
  return names.get(code) ?? `Code(${code})`;
}

const names = new Map<number, string>(Object.entries(Code).map(([name, code]) => [code, name]));
