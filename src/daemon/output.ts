import { closeSync, fstatSync, ftruncateSync, openSync, readSync, watch } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

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
/** A longer line is cut, in bytes. */
const MAX_LINE_BYTES = 8192;
/** Takes what is read, of all outputs: reading is synchronous, and every fork copies the memory that each would have. */
const chunk = Buffer.allocUnsafe(64 * 1024);

/** Creates (or continues) the file at `path` and calls `onLine` for each line that is appended to it. */
export function openOutput(path: string, onLine: (line: string) => void): Output {
  using undo = new DisposableStack();
  const fd = undo.adopt(openSync(path, 'a+', 0o600), closeSync);
  const decoder = new StringDecoder('utf8');
  const lastLines: string[] = [];
  let offset = fstatSync(fd).size;
  let pending = '';
  let closed = false;

  const emit = (line: string): void => {
    if (line === '') return;
    if (lastLines.push(line) > KEPT_LINES) lastLines.shift();
    onLine(line);
  };

  const drain = ({ final = false }: { final?: boolean } = {}): void => {
    if (closed) return;
    const end = fstatSync(fd).size;
    if (end - offset > MAX_FILE_BYTES) {
      emit(
        `(${end - offset - chunk.length} bytes of output left out: the daemon writes faster than they are read)`,
      );
      offset = end - chunk.length;
      pending = '';
      decoder.end();
    }
    while (offset < end) {
      const bytes = readSync(fd, chunk, 0, Math.min(chunk.length, end - offset), offset);
      if (bytes === 0) break;
      offset += bytes;
      const lines = (pending + decoder.write(chunk.subarray(0, bytes))).split('\n');
      pending = (lines.pop() ?? '').slice(0, MAX_LINE_BYTES);
      for (const line of lines) emit(line.slice(0, MAX_LINE_BYTES));
    }
    if (final && pending !== '') {
      emit(pending);
      pending = '';
    }
    if (offset > MAX_FILE_BYTES) {
      ftruncateSync(fd);
      offset = 0;
    }
  };

  const watcher = watch(path, { persistent: false }, () => drain());
  watcher.on('error', () => {});
  undo.move();
  return {
    fd,
    lastLines,
    drain,
    [Symbol.dispose]() {
      if (closed) return;
      closed = true;
      watcher.close();
      closeSync(fd);
    },
  };
}
