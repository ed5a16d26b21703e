import { toStatusError } from '../error-status.ts';
import type { StreamCall } from './stream-call.ts';

/** Sends what the caller yields, no faster than the server reads, until either ends. */
export async function sendInput(call: StreamCall, input: AsyncIterable<unknown>): Promise<void> {
  let iterator: AsyncIterator<unknown> | undefined;
  call.onEnd = () => void stop(iterator);
  try {
    iterator = input[Symbol.asyncIterator]();
    await sendAll(call, iterator);
  } catch (error) {
    call.fail(toStatusError(error));
  }
}

async function sendAll(call: StreamCall, iterator: AsyncIterator<unknown>): Promise<void> {
  while (!call.ended) {
    const { done, value } = await iterator.next();
    if (call.ended) return;
    if (done) {
      call.onEnd = undefined;
      await call.closeSend();
      return;
    }
    const turn = call.send(value);
    if (turn) await turn;
  }
}

/** Tells the caller's iterable that nobody wants more. What it fails with in that, nobody waits for. */
async function stop(iterator: AsyncIterator<unknown> | undefined): Promise<void> {
  try {
    await iterator?.return?.();
  } catch {
    // The call has its result.
  }
}
