import { MAX_MESSAGE_LENGTH } from '../channel/frame.ts';
import { Code } from '../code.ts';
import { StatusError } from '../status-error.ts';

/** The error of a message above 4 MiB, in Go's words. */
export function oversizeError(length: number): StatusError {
  return new StatusError(
    Code.ResourceExhausted,
    `message length ${length} exceed maximum message size of ${MAX_MESSAGE_LENGTH}`,
  );
}

/** @throws StatusError ResourceExhausted above 4 MiB */
export function checkLength(length: number): void {
  if (length > MAX_MESSAGE_LENGTH) throw oversizeError(length);
}
