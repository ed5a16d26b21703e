import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A wish of the person, or of whoever started us, that this process ends. */
export interface Interrupt {
  /** Aborted by the wish; its reason is the name of the signal to pass on. */
  readonly signal: AbortSignal;
  /** What a shell reports of a program that such a signal ended; undefined while there was none. */
  readonly exitCode: number | undefined;
  /** Lets the process end. */
  stopListening(): void;
}

/** Turns signals, and the death of run.mjs, which started this process, into one abort. */
export function onInterrupt(): Interrupt {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const interrupt = (name: (typeof SIGNALS)[number]): void => {
    exitCode ??= 128 + constants.signals[name];
    controller.abort(name);
  };
  const parentDied = (): void => interrupt('SIGTERM');
  for (const name of SIGNALS) process.on(name, interrupt);
  process.on('disconnect', parentDied);
  process.channel?.unref();
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    stopListening() {
      for (const name of SIGNALS) process.off(name, interrupt);
      process.off('disconnect', parentDied);
      if (process.connected) process.disconnect?.();
    },
  };
}
