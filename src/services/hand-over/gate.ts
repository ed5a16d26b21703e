import { Code, StatusError, type ServerInterceptor } from 'ttrpc-ts';
import { abortable } from '../../async/abortable.ts';
import { HANDED_OVER } from '../../errors.ts';

/** They last as long as their sandbox: nobody waits for their end. */
const LASTING = new Set(['WaitSandbox', 'Wait']);

/** True for a call that lasts as long as its sandbox. */
export const isLasting = ({ name }: { readonly name: string }): boolean => LASTING.has(name);

/** Can keep calls waiting, and knows when none is in flight. Streams and calls that last as long as a sandbox pass it. */
export interface Gate {
  readonly interceptor: ServerInterceptor;
  /** Runs a call when the gate is open. @throws what {@link refuse} says; the signal's reason */
  pass<T>(run: () => Promise<T>, signal: () => AbortSignal): Promise<T>;
  /** Keeps calls waiting from now on; resolves when those in flight are answered, and when the signal aborts. */
  close(signal: AbortSignal): Promise<void>;
  /** Lets calls go on. */
  open(): void;
  /** Refuses the calls that wait, with Unavailable: none of them has begun. */
  refuse(): void;
}

/** Creates a gate that is open. */
export const createGate = (): Gate => new CallGate();

class CallGate implements Gate {
  #inFlight = 0;
  #opening: PromiseWithResolvers<void> | undefined;
  #onIdle: (() => void) | undefined;

  readonly interceptor: ServerInterceptor = (next) => (call) =>
    call.kind !== 'unary' || isLasting(call.method)
      ? next(call)
      : this.pass(
          () => next(call),
          () => call.signal,
        );

  async pass<T>(run: () => Promise<T>, signal: () => AbortSignal): Promise<T> {
    // oxlint-disable-next-line no-await-in-loop -- it may be closed again
    while (this.#opening) await abortable(this.#opening.promise, signal());
    this.#inFlight++;
    try {
      return await run();
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) this.#onIdle?.();
    }
  }

  async close(signal: AbortSignal): Promise<void> {
    this.#opening ??= Promise.withResolvers();
    // Where nobody waits, nobody hears of a refusal.
    this.#opening.promise.catch(() => {});
    if (this.#inFlight === 0 || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    this.#onIdle = undefined;
  }

  open(): void {
    const opening = this.#opening;
    this.#opening = undefined;
    opening?.resolve();
  }

  refuse(): void {
    this.#opening?.reject(new StatusError(Code.Unavailable, HANDED_OVER));
  }
}
