import { Code, StatusError } from 'ttrpc-ts';

/** Where a file is wrong, and how. */
export interface ConfigErrorDetail {
  /** What the file is meant to be. @default configuration */
  readonly kind?: 'configuration' | 'manifest';
  readonly file: string;
  /** As TOML writes it, e.g. `plugins."…".virtio_fs_cache`. @default '': the file as a whole */
  readonly key?: string;
  /** What is wrong, and what to do. */
  readonly message: string;
  readonly cause?: unknown;
}

/** A mistake in a configuration, in a plugin's manifest or in the module that it names. */
export class ConfigError extends StatusError {
  readonly file: string;
  readonly key: string;

  constructor({ kind = 'configuration', file, key = '', message, ...options }: ConfigErrorDetail) {
    super(Code.InvalidArgument, `Invalid ${kind} "${file}"${key ? `: ${key}` : ''}: ${message}`, options);
    this.name = 'ConfigError';
    this.file = file;
    this.key = key;
  }
}

/** How a daemon ended; both members are undefined where that cannot be known (it was never our child). */
export interface ExitStatus {
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
}

/** A daemon that could not start or that ended unasked: carries its exit status and its last lines of output. */
export class DaemonError extends StatusError {
  readonly exit: ExitStatus;
  readonly lastLines: readonly string[];

  constructor(
    message: string,
    detail: { exit?: ExitStatus; lastLines?: readonly string[]; code?: Code; cause?: unknown } = {},
  ) {
    super(detail.code ?? Code.FailedPrecondition, message, { cause: detail.cause });
    this.name = 'DaemonError';
    this.exit = detail.exit ?? {};
    this.lastLines = detail.lastLines ?? [];
  }
}

/** Stands for the name of a signal that nobody learned. */
export const UNKNOWN_SIGNAL = 'an unknown signal';

/** What is known of an end besides its status. */
export interface ExitCause {
  /** What ended the process that did the work, where the exit code stands for it. */
  readonly workerSignal?: string | undefined;
  /** How many processes the kernel has killed for want of memory while this one ran. */
  readonly memoryKills?: number | undefined;
}

/** `exited with code 1`, `was killed by SIGKILL`, … */
export function describeExit({ workerSignal, memoryKills = 0, ...status }: ExitStatus & ExitCause): string {
  const worker = workerSignal === undefined ? '' : `, its worker killed by ${workerSignal}`;
  const mayBeMemory = ['SIGKILL', UNKNOWN_SIGNAL].includes(status.signal ?? workerSignal ?? '');
  const isShort = memoryKills > 0 && mayBeMemory;
  const memory = isShort
    ? '; memory was short: the kernel has killed processes for want of it meanwhile'
    : '';
  return `${describeStatus(status)}${worker}${memory}`;
}

function describeStatus({ exitCode, signal }: ExitStatus): string {
  if (signal !== undefined) return `was killed by ${signal}`;
  return exitCode === undefined ? 'ended with an unknown status' : `exited with code ${exitCode}`;
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  // A connect to a name with several addresses fails with an error that leaves the words to the errors in it.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
