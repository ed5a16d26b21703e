import { openStarter, type Starter } from './starter.ts';

/**
 * How long a daemon has the machine to itself before the next starter is forked, in milliseconds: until then it may
 * still answer its VMM for the first time.
 */
const QUIET_MS = 25;

/** Keeps one starter ready for the next daemon. Disposal ends it. */
export interface Launcher extends AsyncDisposable {
  /** The starter that is ready, or a fresh one; it is the caller's from now on. */
  take(): Starter;
  /** Gets a starter ready, if none is, when daemons have not been started for a while. */
  prepare(): void;
}

/** Creates a launcher whose sockets stand in `directory`. It starts nothing yet. */
export function createLauncher(directory: string): Launcher {
  let ready: Starter | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const discard = (starter: Starter): void => {
    ready = undefined;
    // Its socket may stay where the state has become read-only; the next one that ends what the dead left removes it.
    void Promise.resolve(starter[Symbol.asyncDispose]()).catch(() => {});
  };
  const open = (): void => {
    if (ready) return;
    const starter = openStarter(directory);
    ready = starter;
    starter.child.once('exit', () => {
      if (ready === starter) discard(starter);
    });
  };

  return {
    take() {
      clearTimeout(timer);
      if (ready && !ready.hasSocket()) discard(ready);
      const starter = ready ?? openStarter(directory);
      ready = undefined;
      return starter;
    },
    prepare() {
      clearTimeout(timer);
      if (!closed) timer = setTimeout(openIfPossible, QUIET_MS, open).unref();
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      clearTimeout(timer);
      await ready?.[Symbol.asyncDispose]();
      ready = undefined;
    },
  };
}

/** Nobody waits for it: where it fails now, the next daemon's own start says why. */
function openIfPossible(open: () => void): void {
  try {
    open();
  } catch {}
}
