import { closeSync, constants, fstatSync, openSync, readlinkSync } from 'node:fs';
import type { Logger } from 'pino';
import { createAdjustableLogger } from '../tracing/log.ts';
import { openLogFile } from '../tracing/log-file.ts';

/** A host's log on standard error. Disposal ends its reserve. */
export interface HostLog extends Disposable {
  readonly logger: Logger;
  /** Reads the level again, and goes on in a new file of the same name. @throws what either says */
  reload(): Promise<void>;
  /** Logs whatever the level is. */
  tell(members: Record<string, unknown>, message: string): void;
}

/** Opens the log of this process. */
export async function openHostLog(readLevel: () => Promise<string>): Promise<HostLog> {
  let level = await readLevel();
  // What prints there itself must not end this process where nothing takes it.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  const outputs = [1, 2].flatMap(fileOf);
  const file = openLogFile(2, { hasReserve: true });
  const { logger, setLevel } = createAdjustableLogger(level, file);
  return {
    logger,
    async reload() {
      file.reopen();
      for (const output of outputs) replace(output);
      level = await readLevel();
      setLevel(level);
    },
    tell(members, message) {
      setLevel('info');
      logger.info(members, message);
      setLevel(level);
    },
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}

interface OutputFile {
  readonly fd: number;
  readonly path: string;
}

/** Its name now: once it is renamed, its descriptor knows the new name only. */
const fileOf = (fd: number): OutputFile[] =>
  fstatSync(fd).isFile() ? [{ fd, path: readlinkSync(`/proc/self/fd/${fd}`) }] : [];

/** Node.js has no dup2(2), but an open takes the lowest number that is free. */
function replace({ fd, path }: OutputFile): void {
  closeSync(fd);
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
  const opened = openSync(path, flags, 0o600);
  if (opened !== fd) closeSync(opened);
}
