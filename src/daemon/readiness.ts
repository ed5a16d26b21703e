import { Code } from 'ttrpc-ts';
import { DaemonError } from '../errors.ts';

/** How long a daemon that will not say when it waits must have lived to count as waiting, in milliseconds. */
const SETTLE_MS = 50;

/** Settles once: reached, failed, or timed out. */
export interface Readiness {
  readonly promise: Promise<void>;
  reached(): void;
  failed(error: Error): void;
}

/** A daemon's readiness; its timer ends with the promise and never keeps the process alive. */
export function createReadiness(
  options: { name: string; waitingLine?: RegExp | undefined; startTimeoutMs: number },
  onReached: () => void,
): Readiness {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Whoever opened the share may never ask; an exit is reported through `exited` as well.
  promise.catch(() => {});

  const settle = (act: () => void): void => {
    clearTimeout(timer);
    act();
  };
  const reached = (): void =>
    settle(() => {
      onReached();
      resolve();
    });
  const failed = (error: Error): void => settle(() => reject(error));
  const timer = options.waitingLine
    ? setTimeout(() => failed(timeoutError(options)), options.startTimeoutMs)
    : setTimeout(reached, SETTLE_MS);
  timer.unref();
  return { promise, reached, failed };
}

function timeoutError({ name, startTimeoutMs }: { name: string; startTimeoutMs: number }): DaemonError {
  return new DaemonError(
    `${name} did not say within ${startTimeoutMs} ms that it waits for its VMM: see its output, or raise virtio_fs_start_timeout_ms`,
    { code: Code.DeadlineExceeded },
  );
}
