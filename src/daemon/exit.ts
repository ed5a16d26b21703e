import type { ExitCause, ExitStatus } from '../errors.ts';

/** How a daemon ended, and its last lines of output. */
export interface DaemonEnd extends ExitStatus {
  readonly lastLines: readonly string[];
}

/** What a daemon's end means. */
export interface EndMeaning {
  /** `disconnected`: its VMM left. `failed`: anything else. */
  readonly reason: 'disconnected' | 'failed';
  /** The line that says why, for errors. */
  readonly words?: string | undefined;
  /** What ended the process that did the daemon's work, where the exit code stands for it. */
  readonly workerSignal?: string | undefined;
}

/** How and when a daemon ended. */
export interface DaemonExit extends DaemonEnd, ExitCause {
  /** `stopped`: this process asked for it. `disconnected`: its VMM left. `failed`: anything else. */
  readonly reason: 'stopped' | EndMeaning['reason'];
  /** How long it ran under this process's eyes, in milliseconds. */
  readonly uptimeMs: number;
}
