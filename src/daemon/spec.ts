import type { Attributes } from '@opentelemetry/api';
import type { DaemonEnd, EndMeaning } from './exit.ts';

/** What to execute. */
export interface Program {
  /** Absolute path of the executable. */
  readonly command: string;
  readonly args: readonly string[];
  /** What the executable says of its version, where it was asked. */
  readonly version?: string | undefined;
}

/**
 * How to know that a daemon waits for its VMM: by a line of its output; by a question that is asked again until its
 * answer is true; or, where neither is to be had, by its having lived for so long.
 */
export type Readiness =
  | { readonly line: RegExp }
  | { readonly probe: (options: { signal: AbortSignal }) => Promise<boolean> }
  | { readonly settleMs: number };

/** How serious a line of a daemon's output is. */
export type LineLevel = 'info' | 'warn' | 'error';

/** What a daemon of one kind is like; everything that differs between daemons stands here, but for what they execute. */
export interface DaemonTraits {
  /** The source of its log lines, the `subsystem` of its spans and the first word of their names. */
  readonly name: string;
  /** Further attributes of its start span. @default none */
  readonly attributes?: Attributes;
  /** `handed-over`: gets the listening socket as its standard input. `own`: binds `socketPath` by itself. */
  readonly socket: 'handed-over' | 'own';
  /** The vhost-user socket; removed when the daemon has ended. */
  readonly socketPath: string;
  /** The socket that it binds for its API; removed when the daemon has ended. @default it has none */
  readonly apiSocketPath?: string | undefined;
  /** The file that takes its output. */
  readonly outputPath: string;
  readonly ready: Readiness;
  /** Matches the line that says that a VMM has connected. @default its state stays `waiting`, unless `servesOneClient` */
  readonly connectedLine?: RegExp;
  /**
   * True for one that serves one VMM, says nothing of its coming, and stays when it has left. The kernel is asked for both,
   * and the daemon is ended when its VMM has left.
   *
   * @default false
   */
  readonly servesOneClient?: boolean;
  /** Tells, before its sockets are removed, whether a VMM had come. @default what `connectedLine` tells */
  readonly hadClient?: () => boolean;
  /** How long it may take until it waits for its VMM, in milliseconds. */
  readonly startTimeoutMs: number;
  /** What to do where it takes longer, for the error. @default nothing is said */
  readonly startTimeoutRemedy?: string;
  /**
   * How long it waits for its VMM until it is given up, in milliseconds; 0 for ever. Needs `connectedLine` or `servesOneClient`.
   *
   * @default 0
   */
  readonly clientTimeoutMs?: number;
  /** What to do where the VMM needs longer, for the error. @default nothing is said */
  readonly clientTimeoutRemedy?: string;
  /** How long it may take to end after SIGTERM before SIGKILL follows, in milliseconds. */
  readonly stopTimeoutMs: number;
  /** Takes out of a line of its output what nobody may read, before it is logged, kept or told. @default nothing is */
  readonly mask?: (line: string) => string;
  /** At which level a line of its output is logged. @default info */
  readonly levelOf?: (line: string) => LineLevel;
  /** Is told each line of its output, when that has been logged. @default nobody is told */
  readonly onLine?: (line: string) => void;
  /** What an end that nobody asked for means. @default status 0 is its VMM's leaving; its last line says why */
  readonly explainEnd?: (end: DaemonEnd) => EndMeaning;
}

/** What a daemon needs to be started. */
export interface DaemonSpec extends DaemonTraits {
  /** Checks the settings and says what to execute; its failure is the start's. Runs as `<name>.validate`. */
  readonly program: (options: { signal?: AbortSignal | undefined }) => Program | Promise<Program>;
}
