import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { messageOf } from '../errors.ts';
import { watchPath } from '../proc/watch-path.ts';
import { printable } from '../text/printable.ts';

/** A daemon's standard output and error: a file that it appends to and that this process follows. */
export interface Output extends Disposable {
  /** Opened O_APPEND, for the daemon to inherit. A file, because a pipe freezes guest I/O while its reader is stuck. */
  readonly fd: number;
  /** The newest lines, at most {@link KEPT_LINES}. */
  readonly lastLines: readonly string[];
  /** Reads what has been written until now; ends with a partial line when `final`. */
  drain(options?: { final?: boolean }): void;
}

/** How many lines of output are kept for errors and status. */
export const KEPT_LINES = 20;
/** A followed file is emptied when it is larger, in bytes: everything in it has been logged. */
const MAX_FILE_BYTES = 1 << 20;
/** A file that is so many times larger is emptied even while the daemon is ahead of the reader. */
const FLOOD_FACTOR = 8;
/** How many chunks one turn of the event loop reads at most. */
const MAX_ROUNDS = 64;
/** How many of them it logs: of a flood, the newest. */
const MAX_PIECES = 16;
/** A longer line is cut, in bytes. */
const MAX_LINE_BYTES = 8192;
/** What colours a line on a terminal (ECMA-48, SGR). */
// oxlint-disable-next-line no-control-regex -- an escape begins it
const COLOUR = /\u001b\[[0-9;]*m/g;
/** Takes what is read, of all outputs: reading is synchronous, and every fork copies the memory that each would have. */
const chunk = Buffer.allocUnsafe(64 * 1024);

/** How an output is followed. */
export interface OutputOptions {
  /** Is told why, where the file can only be looked at now and then. */
  readonly onPolling?: (why: string) => void;
  /** Takes out of each line what nobody may read; never throws. @default nothing is */
  readonly mask?: (line: string) => string;
  /** Is called for each of the last lines that are there already. @default they are left out */
  readonly onFormerLine?: ((line: string) => void) | undefined;
}

/** Creates (or continues) the file at `path` and calls `onLine` for each line that is appended to it. */
export function openOutput(
  path: string,
  onLine: (line: string) => void,
  { onPolling = () => {}, mask = (line) => line, onFormerLine }: OutputOptions = {},
): Output {
  using undo = new DisposableStack();
  const fd = undo.adopt(openSync(path, 'a+', 0o600), closeSync);
  const decoder = new StringDecoder('utf8');
  const lastLines: string[] = [];
  let offset = fstatSync(fd).size;
  let pending = '';
  let closed = false;
  let hasFailed = false;

  const emit = (text: string, tell = onLine): void => {
    if (text === '') return;
    const line = mask(printable(text.replaceAll(COLOUR, '')));
    if (lastLines.push(line) > KEPT_LINES) lastLines.shift();
    tell(line);
  };
  const recall = (tell: (line: string) => void): void => {
    const start = Math.max(0, offset - chunk.length);
    const bytes = readSync(fd, chunk, 0, offset - start, start);
    const lines = decoder.write(chunk.subarray(0, bytes)).split('\n');
    pending = lines.pop() ?? '';
    for (const line of start > 0 ? lines.slice(1) : lines) emit(line.slice(0, MAX_LINE_BYTES), tell);
  };

  const read = ({ final }: { final: boolean }): void => {
    const pieces: Buffer[] = [];
    let leftOut = 0;
    let reachedEnd = false;
    const rounds = final ? Infinity : MAX_ROUNDS;
    for (let round = 0; round < rounds; round++) {
      const bytes = readSync(fd, chunk, 0, chunk.length, offset);
      reachedEnd = bytes === 0;
      if (reachedEnd) break;
      offset += bytes;
      pieces.push(Buffer.from(chunk.subarray(0, bytes)));
      if (pieces.length > MAX_PIECES) leftOut += pieces.splice(0, MAX_PIECES).length * chunk.length;
    }
    if (offset > MAX_FILE_BYTES && (reachedEnd || offset > FLOOD_FACTOR * MAX_FILE_BYTES)) {
      // A flood, whose end is never reached, is cut off but for its last words.
      const tail = Math.max(offset, fstatSync(fd).size - chunk.length);
      if (tail > offset) leftOut += pieces.splice(0).length * chunk.length + tail - offset;
      const bytes = readSync(fd, chunk, 0, chunk.length, tail);
      if (bytes > 0) pieces.push(Buffer.from(chunk.subarray(0, bytes)));
      // At once, because what is written in between is lost.
      ftruncateSync(fd);
      offset = 0;
    }
    if (leftOut > 0) {
      emit(`(${leftOut} bytes of output left out: the daemon writes faster than they are read)`);
      decoder.end();
      pending = '';
    }
    const lines = (pending + pieces.map((piece) => decoder.write(piece)).join('')).split('\n');
    pending = (lines.pop() ?? '').slice(0, MAX_LINE_BYTES);
    for (const line of lines) emit(line.slice(0, MAX_LINE_BYTES));
    if (final) emit(pending);
  };
  /** Nobody could catch what a watcher's callback throws. */
  const drain = ({ final = false }: { final?: boolean } = {}): void => {
    if (closed) return;
    try {
      read({ final });
    } catch (error) {
      if (!hasFailed) emit(`(the output cannot be read: ${messageOf(error)})`);
      hasFailed = true;
    }
  };

  if (onFormerLine) recall(onFormerLine);
  let watcher: Disposable | undefined;
  // In the next turn, because watching takes as long as the rest of a start: the daemon is on its way meanwhile.
  const following = setImmediate(() => {
    watcher = watchPath(path, () => drain(), { onPolling });
    drain();
  }).unref();
  undo.move();
  return {
    fd,
    lastLines,
    drain,
    [Symbol.dispose]() {
      if (closed) return;
      closed = true;
      clearImmediate(following);
      watcher?.[Symbol.dispose]();
      closeSync(fd);
    },
  };
}
