import { Code, StatusError } from 'ttrpc-ts';

/** A mistake in a configuration file: names the file and the key, e.g. `plugins."…".virtio_fs_cache`. */
export class ConfigError extends StatusError {
  readonly file: string;
  readonly key: string;

  constructor(file: string, key: string, problem: string, options?: { cause?: unknown }) {
    super(
      Code.InvalidArgument,
      `Invalid configuration "${file}"${key ? `: ${key}` : ''}: ${problem}`,
      options,
    );
    this.name = 'ConfigError';
    this.file = file;
    this.key = key;
  }
}

/** A mistake in a plugin manifest or in the module it names: names the file and the key. */
export class ManifestError extends StatusError {
  readonly file: string;
  readonly key: string;

  constructor(file: string, key: string, problem: string, options?: { cause?: unknown }) {
    super(Code.InvalidArgument, `Invalid manifest "${file}"${key ? `: ${key}` : ''}: ${problem}`, options);
    this.name = 'ManifestError';
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

/** `exited with code 1`, `was killed by SIGKILL`, … */
export function describeExit({ exitCode, signal }: ExitStatus): string {
  if (signal !== undefined) return `was killed by ${signal}`;
  return exitCode === undefined ? 'ended with an unknown status' : `exited with code ${exitCode}`;
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
