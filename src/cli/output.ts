import { ExitCode } from './exit-code.ts';
import { sayProblem } from './reject-usage.ts';

// Whoever prints is told; what else is printed must not end this process.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

/** Nobody reads standard output any more, as behind `| head -1`. */
export class ReaderGone extends Error {}

/**
 * Writes to standard output.
 *
 * @throws ReaderGone; Error where it cannot be written
 */
export function print(text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  process.stdout.write(text, (cause) => {
    if (!cause) return resolve();
    const isPipe = (cause as NodeJS.ErrnoException).code === 'EPIPE';
    reject(
      isPipe
        ? new ReaderGone(cause.message, { cause })
        : new Error(`Cannot write to standard output: ${cause.message}`, { cause }),
    );
  });
  return promise;
}

/** Writes to standard output; resolves to the exit code, whatever happens. */
export async function printAll(text: string): Promise<number> {
  try {
    await print(text);
  } catch (error) {
    if (error instanceof ReaderGone) return ExitCode.Done;
    sayProblem((error as Error).message);
    return ExitCode.Failed;
  }
  return ExitCode.Done;
}

/** How many columns a table may have there. A terminal that does not know its width says 0. */
export const columnsOf = ({ isTTY, columns }: NodeJS.WriteStream): number =>
  isTTY && columns > 0 ? columns : Infinity;
