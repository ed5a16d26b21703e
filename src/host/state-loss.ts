import type { Logger } from 'pino';
import type { StateDirectory } from '../share/state-directory.ts';

/** How often a host looks whether its state directory is in place, in milliseconds. */
const LOOK_MS = 1000;

/** Says in the log, once, when another directory or none has taken the place of the host's, until disposal. */
export function reportStateLoss({ stateDir, log }: { stateDir: StateDirectory; log: Logger }): Disposable {
  const timer = setInterval(() => {
    // That another host has it is said by who keeps its lock.
    if (stateDir.isInPlace() || stateDir.isLost) return;
    clearInterval(timer);
    log.error(
      { state: stateDir.path },
      'The state directory has been replaced or removed: this host opens no share any more; end it',
    );
  }, LOOK_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
