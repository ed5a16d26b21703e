import type { Any } from '@bufbuild/protobuf/wkt';
import { type Code, codeName } from './code.ts';

/** Options of a `StatusError`. */
export interface StatusErrorOptions {
  /** What led to this error. It stays on this side of the wire. */
  readonly cause?: unknown;
  /** Messages that travel with the status, packed as `google.protobuf.Any`. @default none */
  readonly details?: readonly Any[];
}

/**
 * The one error that travels: what a handler throws to answer with a status, and what a call rejects with.
 *
 * Recognise it with `StatusError.is(error)` and not with `instanceof`, which fails where a program holds two
 * copies of this package.
 */
export class StatusError extends Error {
  static {
    Object.defineProperty(this.prototype, brand(), { value: true });
    Object.defineProperty(this.prototype, 'name', {
      value: 'StatusError',
      writable: true,
      configurable: true,
    });
  }

  /** The status code. */
  readonly code: Code;
  /** The messages that travel with the status. */
  readonly details: readonly Any[];

  constructor(code: Code, message: string, options: StatusErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.details = options.details ?? noDetails;
  }

  /** Tells whether a value is a `StatusError`, of this copy of the package or of another. */
  static is(value: unknown): value is StatusError {
    return typeof value === 'object' && value !== null && brand() in value;
  }

  /** The name of the code and the message, for logs: `NotFound: task "a" does not exist`. */
  override toString(): string {
    return `${this.name}: ${codeName(this.code)}: ${this.message}`;
  }
}

const noDetails: readonly Any[] = Object.freeze([]);

function brand(): symbol {
  return Symbol.for('ttrpc-ts.StatusError');
}
