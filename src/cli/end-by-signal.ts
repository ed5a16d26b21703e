const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A process that closes what it holds before a signal ends it. */
export interface EndBySignal {
  /** Aborts at the first of the signals. */
  readonly signal: AbortSignal;
  /** Ends the process by the signal that came, so that its parent sees what ended it; without one it goes on. */
  end(): void;
}

/** Holds back the signals by which a terminal, a shell or an init ends a process. */
export function endBySignal(): EndBySignal {
  const controller = new AbortController();
  let received: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    received ??= signal;
    controller.abort();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    signal: controller.signal,
    end() {
      for (const signal of SIGNALS) process.off(signal, onSignal);
      if (received) process.kill(process.pid, received);
    },
  };
}
