import type { SendPort } from '../channel/send-queue.ts';
import type { Codec } from '../codec/codec.ts';
import type { Limits } from '../limits.ts';
import type { HandlerContext } from './context.ts';

/** What a call needs of the connection that it came in on. */
export interface AnswerPort extends SendPort {
  readonly codec: Codec;
  readonly limits: Limits;
  /** Waits like `wait()` with what ends a call. The server reads no further requests before it is written. */
  waitToAnswer(writer: object, onTurn: () => void): void;
  /** Lets go of a call whose last frame is written. */
  forget(streamId: number): void;
  /** Reads nothing further until `release()` with the same holder. */
  hold(holder: unknown): void;
  release(holder: unknown): void;
  /** Tells of an error that a handler threw and that was not meant for its caller. */
  reportError(error: unknown, context: HandlerContext): void;
}
