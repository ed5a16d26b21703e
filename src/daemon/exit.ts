import type { ExitCause, ExitStatus } from '../errors.ts';

/** How a daemon ended, and its last lines of output. */
export interface DaemonEnd extends ExitStatus {
  readonly lastLines: readonly string[];
}

/** Stands for the name of a signal that nobody learned. */
export const UNKNOWN_SIGNAL = 'an unknown signal';

/** What a daemon's end means, as far as only its plugin can tell. */
export interface EndMeaning {
  /** Holds where no signal ended it. @default `start-failed` before it waited, `failed` later */
  readonly cause?: 'disconnected' | 'crashed' | 'usage' | 'failed' | undefined;
  /** The line that says why, for errors. */
  readonly words?: string | undefined;
  /** What ended the process that did the daemon's work, where the exit code stands for it; or {@link UNKNOWN_SIGNAL}. */
  readonly workerSignal?: string | undefined;
}

/** How, when and why a daemon ended. */
export interface DaemonExit extends DaemonEnd {
  readonly cause: ExitCause;
  /** The cause in a sentence, with the daemon's own words where it failed. */
  readonly message: string;
  readonly exitedAt: Date;
  /** How long it ran under this process's eyes, in milliseconds. */
  readonly uptimeMs: number;
  /** What ended the process that did its work. */
  readonly workerSignal?: string | undefined;
}

/** An end as it stands in records, status and events: JSON can hold it. */
export interface EndDescription extends ExitStatus {
  readonly cause: ExitCause;
  /** The cause in a sentence. */
  readonly message: string;
  /** ISO 8601. */
  readonly exitedAt: string;
}

/** Describes an end; an exit status that nobody knows is left out. */
export function describeEnd({ cause, message, exitCode, signal, exitedAt }: DaemonExit): EndDescription {
  return {
    cause,
    message,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(signal === undefined ? {} : { signal }),
    exitedAt: exitedAt.toISOString(),
  };
}

/** True where something is wrong: nobody asked the daemon to end, and its VMM has not left it. */
export const isFailure = (cause: ExitCause): boolean => cause !== 'stopped' && cause !== 'disconnected';
