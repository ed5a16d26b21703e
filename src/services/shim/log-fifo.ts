import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { mountThatCanHang } from '../../foreign/mount-that-can-hang.ts';

/** A line that tells how many lines a log has not taken. */
export type LossLine = (lost: number) => string;

/** Takes lines, and drops what finds no room: nothing waits for who reads it. Disposal closes it. */
export interface LogFifo extends Disposable {
  write(line: string): void;
}

/** Opens a FIFO that somebody reads; undefined where there is none. */
export function openLogFifo(path: string, lossLine: LossLine): LogFifo | undefined {
  if (mountThatCanHang(path)) return undefined;
  let fd: number;
  try {
    fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
  if (fstatSync(fd).isFIFO()) return new OpenFifo(fd, lossLine);
  closeSync(fd);
  return undefined;
}

class OpenFifo implements LogFifo {
  readonly #fd: number;
  readonly #lossLine: LossLine;
  /** What is missing of a line of which a part was taken. */
  #rest: Buffer = Buffer.alloc(0);
  #lost = 0;
  #isClosed = false;

  constructor(fd: number, lossLine: LossLine) {
    this.#fd = fd;
    this.#lossLine = lossLine;
  }

  write(line: string): void {
    if (this.#isClosed) return;
    this.#rest = this.#rest.subarray(this.#put(this.#rest));
    const bytes = Buffer.from(this.#lost > 0 ? this.#lossLine(this.#lost) + line : line);
    const taken = this.#rest.length > 0 ? 0 : this.#put(bytes);
    if (taken === 0) {
      this.#lost++;
      return;
    }
    this.#rest = bytes.subarray(taken);
    this.#lost = 0;
  }

  [Symbol.dispose](): void {
    if (!this.#isClosed) closeSync(this.#fd);
    this.#isClosed = true;
  }

  /** Returns how much was taken: none by a full one, and none while nobody reads, after which it goes on. */
  #put(bytes: Buffer): number {
    if (bytes.length === 0) return 0;
    try {
      return writeSync(this.#fd, bytes);
    } catch {
      return 0;
    }
  }
}
