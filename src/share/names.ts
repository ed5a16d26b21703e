import { Code, StatusError } from 'ttrpc-ts';
import { MAX_TAG_BYTES } from '../config/schema.ts';
import { printable } from '../text/printable.ts';

/** containerd's own rule for names of namespaces and sandboxes (pkg/identifiers), here also against path tricks. */
const IDENTIFIER = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/;
const MAX_IDENTIFIER_LENGTH = 76;

/** @throws StatusError InvalidArgument for what containerd would not take for a name */
export function requireIdentifier(what: string, value: string): string {
  if (IDENTIFIER.test(value) && value.length <= MAX_IDENTIFIER_LENGTH) return value;
  throw new StatusError(
    Code.InvalidArgument,
    `Invalid ${what} "${printable(value)}": use letters and digits with single ".", "_" or "-" between, at most ${MAX_IDENTIFIER_LENGTH} characters`,
  );
}

/** @throws StatusError InvalidArgument for what a guest cannot mount by; `.` and `..` would leave the sandbox's directory */
export function requireTag(tag: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  const isPrintable = !/[\u0000-\u001f\u007f]/.test(tag);
  const bytes = Buffer.byteLength(tag);
  if (bytes > 0 && bytes <= MAX_TAG_BYTES && isPrintable && tag.isWellFormed() && tag !== '.' && tag !== '..')
    return tag;
  throw new StatusError(
    Code.InvalidArgument,
    `Invalid tag ${printable(JSON.stringify(tag))}: use 1 to ${MAX_TAG_BYTES} bytes without control characters`,
  );
}
