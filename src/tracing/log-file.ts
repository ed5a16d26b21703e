import { closeSync, constants, fstatSync, openSync, readlinkSync, writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';
import { createReserve, isFull, type Reserve } from '../proc/reserve.ts';

/** How much waits for a log that takes nothing, in bytes; what comes after it is lost. */
const MAX_WAITING_BYTES = 1 << 20;
/** How often such a log is tried again, in milliseconds. */
const RETRY_MS = 100;
/** What a log on a full file system may still take, in bytes. */
const RESERVE_BYTES = 256 * 1024;

const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK;

/** The end of a log. Nothing ever waits for it: lines that it does not take are kept, then lost, and counted. */
export interface LogFile extends DestinationStream, Disposable {
  /** How much it has not taken yet, in bytes. */
  readonly waitingBytes: number;
  /** Goes on in a new file of the same name; nothing but a file is opened again. @throws the error of open(2) */
  reopen(): void;
}

/**
 * Opens once more what a descriptor of this process is open for; the descriptor stays. Disposal ends the reserve.
 *
 * @param options.hasReserve keep a file of that name with `.reserve` beside a log that is a file. @default false
 */
export function openLogFile(fd: number, options: { hasReserve?: boolean } = {}): LogFile {
  return new DescriptorLog(fd, options);
}

class DescriptorLog implements LogFile {
  readonly #path: string | undefined;
  readonly #reserve: Reserve | undefined;
  #fd: number;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #reason = '';
  #isReserveInUse = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(fd: number, { hasReserve = false }: { hasReserve?: boolean }) {
    this.#path = pathOf(fd);
    this.#fd = openAgain(fd);
    if (this.#path === undefined || !hasReserve) return;
    this.#reserve = createReserve(`${this.#path}.reserve`, RESERVE_BYTES);
    this.#reserve.hold();
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#waitingBytes + bytes.length > MAX_WAITING_BYTES) this.#lost++;
    else this.#push(bytes);
    this.#flush();
  }

  reopen(): void {
    if (this.#path === undefined) return;
    const former = this.#fd;
    this.#fd = openSync(this.#path, FLAGS | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    if (former > 2) closeSync(former);
    this.#flush();
  }

  [Symbol.dispose](): void {
    this.#flush();
    clearTimeout(this.#retry);
    this.#reserve?.[Symbol.dispose]();
  }

  #flush(): void {
    try {
      this.#writeWaiting();
      if (this.#lost > 0) this.#tellLoss();
    } catch (error) {
      this.#reason = (error as NodeJS.ErrnoException).code ?? String(error);
      if (isFull(error) && this.#reserve?.giveUp()) {
        this.#isReserveInUse = true;
        this.#say({}, 'The file system of this log is full: its reserve is in use');
        return this.#flush();
      }
    }
    if (this.#waitingBytes > 0 || this.#isReserveInUse)
      this.#retry ??= setTimeout(() => this.#tryAgain(), RETRY_MS).unref();
  }

  #tryAgain(): void {
    this.#retry = undefined;
    if (this.#waitingBytes === 0) this.#isReserveInUse = this.#reserve?.hold() === false;
    this.#flush();
  }

  #writeWaiting(): void {
    for (let head = this.#waiting[0]; head; head = this.#waiting[0]) {
      const written = writeSync(this.#fd, head);
      this.#waitingBytes -= written;
      if (written === head.length) this.#waiting.shift();
      else this.#waiting[0] = head.subarray(written);
    }
  }

  #tellLoss(): void {
    const lost = this.#lost;
    this.#lost = 0;
    this.#say({ lost, reason: this.#reason }, 'Lines of this log were lost: it took none');
    this.#writeWaiting();
  }

  #say(members: Record<string, unknown>, msg: string): void {
    const time = new Date().toISOString();
    this.#push(Buffer.from(`${JSON.stringify({ level: 'warn', time, ...members, msg })}\n`));
  }

  #push(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }
}

/** The path of a regular file, which alone can be opened anew. */
function pathOf(fd: number): string | undefined {
  try {
    return fstatSync(fd).isFile() ? readlinkSync(`/proc/self/fd/${fd}`) : undefined;
  } catch {
    return undefined;
  }
}

/** Without blocking: a reader that is stuck must not hold us. A file or a pipe gets a state of its own for it. */
function openAgain(fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, FLAGS);
  } catch {
    // A socket cannot be opened again; its stream, once there is one, sets its mode.
    if (fd === 2) process.stderr.on('error', () => {});
    return fd;
  }
}
