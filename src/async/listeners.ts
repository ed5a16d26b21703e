/** Those who want to hear of something. What one of them throws goes to `onError`; the others hear of it all the same. */
export class Listeners<Arguments extends unknown[]> {
  readonly #listeners = new Set<(...args: Arguments) => void>();
  readonly #onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  get isEmpty(): boolean {
    return this.#listeners.size === 0;
  }

  /** Disposal ends it; a function that is added twice is called twice. */
  add(listener: (...args: Arguments) => void): Disposable {
    const own = (...args: Arguments): void => listener(...args);
    this.#listeners.add(own);
    return { [Symbol.dispose]: () => void this.#listeners.delete(own) };
  }

  call(...args: Arguments): void {
    for (const listener of this.#listeners) {
      try {
        listener(...args);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
