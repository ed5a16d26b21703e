import type { DescMessage, DescMethod, Message } from '@bufbuild/protobuf';
import type { FrameHeader } from '../channel/frame.ts';
import type { SendPort } from '../channel/send-queue.ts';
import type { Limits } from '../limits.ts';
import type { StatusError } from '../status-error.ts';

/** What a call needs of its connection. */
export interface CallPort extends SendPort {
  readonly limits: Limits;
  /** Why the connection has ended; undefined where it has not. */
  readonly reason: StatusError | undefined;
  /** Returns the next stream id, or throws where the connection has ended or has none left. */
  allocate(): number;
  /** Directs the frames of a stream to a call. */
  register(streamId: number, call: PendingCall): void;
  /** Lets the frames of a stream fall, and gives up its call's place among those who wait to write. */
  forget(streamId: number, call: PendingCall): void;
  encode(schema: DescMessage, message: unknown): Uint8Array;
  decode(schema: DescMessage, payload: Uint8Array): Message;
  /** Reads nothing further until `release()` with the same holder. */
  hold(holder: unknown): void;
  release(holder: unknown): void;
}

/** A method with what every call of it needs. */
export interface BoundMethod {
  readonly method: DescMethod;
  readonly route: Uint8Array;
}

/** A call that waits for frames. Its methods do not throw. */
export interface PendingCall {
  /** Whether it has its answer, or was given up. */
  readonly ended: boolean;
  onFrame(header: Readonly<FrameHeader>, buffer: Buffer, start: number, end: number): void;
  /** Ends the call with an error, behind what has arrived. Does nothing to one that has ended. */
  fail(error: StatusError): void;
}
