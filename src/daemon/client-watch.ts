import type { Logger } from 'pino';
import type { DaemonTraits } from './spec.ts';

/** How long nobody may have connected before the log says so, in milliseconds. */
const WARNING_MS = 60_000;

/**
 * Waits for a daemon's VMM from now on: warns once when nobody has connected for long, and gives the daemon up where its
 * spec has a limit. Ends with its disposal. Keeps no process alive.
 */
export function watchForClient(
  spec: DaemonTraits,
  options: {
    log: Logger;
    pid: number;
    /** Asked before anything is said or done: the line that tells of a VMM may have been lost. */
    hasClient: () => boolean;
    onClient: () => void;
    onGivenUp: () => void;
  },
): Disposable {
  const { name, socketPath, clientTimeoutMs = 0, connectedLine, servesOneClient } = spec;
  const { log, pid, hasClient, onClient, onGivenUp } = options;
  const timers: NodeJS.Timeout[] = [];
  const cancel = (): void => timers.forEach(clearTimeout);
  const after = (ms: number, act: () => void): void => {
    const check = (): void => {
      if (!hasClient()) return act();
      cancel();
      onClient();
    };
    timers.push(setTimeout(check, ms).unref());
  };

  if (connectedLine || servesOneClient) {
    if (clientTimeoutMs > 0) after(clientTimeoutMs, onGivenUp);
    if (clientTimeoutMs === 0 || clientTimeoutMs > WARNING_MS) {
      const text = `No VMM has connected to ${name} for ${WARNING_MS / 1000} s: check that it was given this socket`;
      after(WARNING_MS, () => log.warn({ pid, path: socketPath }, text));
    }
  }
  return { [Symbol.dispose]: cancel };
}
