import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { GuestError } from './guest-error.ts';

/** What the guest prints. */
export interface Console {
  /** The lines so far, without the one that reports the exit status; it grows. */
  readonly lines: readonly string[];
  /** Exit status of the script, once the guest has reported it. */
  readonly exitCode: number | undefined;
  /** Resolves when nothing more can come. */
  readonly ended: Promise<void>;
  /**
   * Resolves to the next line that matches, where "next" begins after the line that the call before resolved to.
   * Rejects with a GuestError if the console ends first.
   */
  waitForLine(pattern: RegExp | string): Promise<string>;
}

/** Reads QEMU's output as lines. */
export function readConsole(stream: Readable): Console {
  const lines: string[] = [];
  const changed = new EventEmitter();
  let exitCode: number | undefined;
  let isOpen = true;
  let next = 0;
  const reader = createInterface({ input: stream });
  reader.on('line', (raw) => {
    if (exitCode !== undefined) return; // the kernel's farewell
    const line = raw.replace(/\r$/, '');
    const report = /^guest-exit:(\d+)$/.exec(line);
    if (report === null) lines.push(line);
    else {
      exitCode = Number(report[1]);
      if (lines.at(-1) === '') lines.pop(); // printed so that the report begins a line
    }
    changed.emit('change');
  });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  reader.once('close', () => {
    isOpen = false;
    changed.emit('change');
    resolve();
  });
  return {
    lines,
    ended,
    get exitCode() {
      return exitCode;
    },
    async waitForLine(pattern) {
      const matches = (line: string): boolean =>
        typeof pattern === 'string' ? line.includes(pattern) : pattern.test(line);
      for (;;) {
        const found = lines.findIndex((line, index) => index >= next && matches(line));
        if (found !== -1) {
          next = found + 1;
          return lines[found] ?? '';
        }
        if (!isOpen) throw new GuestError(`The guest ended before it printed ${String(pattern)}`, lines);
        await once(changed, 'change');
      }
    },
  };
}
