import { openStarter, type Starter } from './starter.ts';

/** Keeps one starter ready for the next daemon. Disposal ends it. */
export interface Launcher extends AsyncDisposable {
  /** The starter that is ready, or a fresh one; it is the caller's from now on. */
  take(): Starter;
  /** Gets a starter ready, if none is. */
  prepare(): void;
}

/** Creates a launcher whose sockets stand in `directory`. It starts nothing yet. */
export function createLauncher(directory: string): Launcher {
  let ready: Starter | undefined;
  let closed = false;
  return {
    take() {
      const starter = ready ?? openStarter(directory);
      ready = undefined;
      return starter;
    },
    prepare() {
      if (ready || closed) return;
      const starter = openStarter(directory);
      ready = starter;
      starter.child.once('exit', () => {
        if (ready !== starter) return;
        ready = undefined;
        void starter[Symbol.asyncDispose]();
      });
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      await ready?.[Symbol.asyncDispose]();
      ready = undefined;
    },
  };
}
