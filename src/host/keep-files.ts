import { existsSync } from 'node:fs';
import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';

/** How often the files are looked for, in milliseconds. */
const LOOK_MS = 2000;

/** Has files that somebody removed, as those who clean up old files do, made again, until disposal. */
export function keepFiles(
  files: () => readonly string[],
  { restore, log }: { restore: (missing: readonly string[]) => void | Promise<void>; log: Logger },
): Disposable {
  let problem: string | undefined;
  const look = async (): Promise<void> => {
    const missing = files().filter((file) => !existsSync(file));
    if (missing.length === 0) return;
    try {
      await restore(missing);
      problem = undefined;
      log.warn({ files: missing }, 'Somebody removed files of this host; they are there again');
    } catch (error) {
      if (problem === messageOf(error)) return;
      problem = messageOf(error);
      log.error(
        { files: missing, err: error },
        'Somebody removed files of this host, and they cannot be made again',
      );
    }
  };
  const timer = setInterval(() => void look(), LOOK_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
