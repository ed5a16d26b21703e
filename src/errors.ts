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

/**
 * Why a daemon ended. `stopped`: this program asked for it. `disconnected`: its VMM left. `crashed`: a signal that nobody
 * here sent, to it or to its worker. `seccomp`: a system call that its filter forbids. `out-of-memory`: the kernel
 * killed it for want of memory. `usage`: arguments that it does not take. `start-failed`: it ended by itself before it
 * waited for its VMM. `no-client`: its VMM did not come in time. `failed`: it ended by itself later.
 */
export const EXIT_CAUSES = [
  'stopped',
  'disconnected',
  'crashed',
  'seccomp',
  'out-of-memory',
  'usage',
  'start-failed',
  'no-client',
  'failed',
] as const;

/** One of {@link EXIT_CAUSES}. */
export type ExitCause = (typeof EXIT_CAUSES)[number];

/** How a daemon ended; both members are undefined where that cannot be known (it was never our child). */
export interface ExitStatus {
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
}

/** A daemon that could not start or that ended unasked: carries its exit status, its cause and its last lines of output. */
export class DaemonError extends StatusError {
  /** Without a cause where it has not ended, or never began. */
  readonly exit: ExitStatus & { readonly cause?: ExitCause };
  readonly lastLines: readonly string[];

  constructor(
    message: string,
    detail: { exit?: DaemonError['exit']; lastLines?: readonly string[]; code?: Code; cause?: unknown } = {},
  ) {
    super(detail.code ?? Code.FailedPrecondition, message, { cause: detail.cause });
    this.name = 'DaemonError';
    this.exit = detail.exit ?? {};
    this.lastLines = detail.lastLines ?? [];
  }
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  // A connect to a name with several addresses fails with an error that leaves the words to the errors in it.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** How a host refuses a call that it has not begun, because another host takes over from it. */
export const HANDED_OVER = 'This host hands over to another: connect again, and call that one';
