import type { DescMethod } from '@bufbuild/protobuf';
import type { StatusError } from '../status-error.ts';

/** A connection to a server, which any number of clients share. Disposing of it closes it. */
export interface Transport extends AsyncDisposable {
  /** Settles when the connection has ended, with the reason; it never rejects. */
  readonly closed: Promise<StatusError>;
  /** Returns the function that calls a method. What `createClient()` is made from. */
  bind(method: DescMethod): (input: never, options?: never) => unknown;
  /** Closes the connection and waits until it is gone. Calls in flight reject with Unavailable. */
  close(): Promise<void>;
}
