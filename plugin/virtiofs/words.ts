import {
  UNKNOWN_SIGNAL,
  type DaemonEnd,
  type EndMeaning,
  type LineLevel,
} from 'containerd-shim-virtiofs/plugin';
import { constants } from 'node:os';

/** What the Rust virtiofsd puts before a line: `[2026-11-25T22:04:36Z WARN  virtiofsd::limits] `. */
const RUST_PREFIX = /^\[\S+ (ERROR|WARN|INFO|DEBUG|TRACE) +\S+\] /;
/** What the C virtiofsd puts before a line where it logs every request, those with errors for the guest included. */
const C_DEBUG_PREFIX = /^\[.*\] \[ID: \d+\] /;
/** By this the C virtiofsd says that its VMM has left. */
const C_FAREWELL = 'virtio_loop: Unexpected poll revents 11';
/** By this the C virtiofsd's worker says that it ends. */
const C_END = 'virtio_loop: Exit';
/** By this the C virtiofsd says that a signal has come. */
const C_INTERRUPTED = 'virtio_loop: ppoll interrupted, going around';
/** By this the Rust virtiofsd says that a signal has come to it while its worker went on. */
const RUST_INTERRUPTED = /Error during waitpid\(\)/;
/** By this the Rust virtiofsd says what ended its worker; its exit status may be unknown. */
const RUST_WORKER_END = /Child process terminated by signal (\d+)/;
/** What the C virtiofsd says of arguments that it does not take. */
const USAGE = /^fuse: (unknown option|invalid argument|missing argument)/;
/** The C virtiofsd gives its lines no level; these words are in those that are no mere information. */
const ERROR_WORDS =
  /\b(errors?|failed|failure|fail|fatal|cannot|can't|could not|unable|invalid|unknown|unexpected|missing|denied|refused|negative|panicked|no such|not a|not supported)\b/i;
/** What the Rust virtiofsd and its worker say of each other's end, before or after that one has told why it ended. */
const CONSEQUENCE = /Parent process died unexpectedly|failed to fill whole buffer/;
const WARNING_WORDS = /\bwarning\b/i;

/** How serious a line of either virtiofsd is. */
export function levelOf(line: string): LineLevel {
  const level = RUST_PREFIX.exec(line)?.[1];
  if (level !== undefined) return level === 'ERROR' ? 'error' : level === 'WARN' ? 'warn' : 'info';
  if (C_DEBUG_PREFIX.test(line) || line === C_FAREWELL) return 'info';
  if (WARNING_WORDS.test(line)) return 'warn';
  return ERROR_WORDS.test(line) ? 'error' : 'info';
}

/** Both virtiofsds end with status 0 when their VMM has left, and say why they could not start. */
export function explainEnd(end: DaemonEnd): EndMeaning {
  const killer = workerSignal(end);
  const cause = causeOf(end);
  const isKilled = (end.signal ?? killer) !== undefined;
  const last = cause === 'crashed' ? 'a signal from elsewhere ended it' : end.lastLines.at(-1);
  return { cause, words: errorIn(end.lastLines) ?? (isKilled ? undefined : last), workerSignal: killer };
}

/** Where nobody knows its status, what it said last decides. */
function causeOf(end: DaemonEnd): EndMeaning['cause'] {
  const { exitCode, lastLines } = end;
  if (hasLostVmm(end)) return 'disconnected';
  if (exitCode === 0 || RUST_INTERRUPTED.test(lastLines.at(-1) ?? '')) return 'crashed';
  const isUsage = exitCode === 2 || lastLines.some((line) => line.startsWith('error: ') || USAGE.test(line));
  return isUsage ? 'usage' : 'failed';
}

/** The C one ends with 0 for a signal as well; then its worker has not said that it leaves its loop, or for a signal only. */
function hasLostVmm({ exitCode, lastLines }: DaemonEnd): boolean {
  if (exitCode !== 0 && exitCode !== undefined) return false;
  const plain = lastLines.map((line) => line.replace(C_DEBUG_PREFIX, ''));
  if (plain.some((line) => line.startsWith('virtio_'))) {
    return plain.includes(C_END) && (plain.includes(C_FAREWELL) || !plain.includes(C_INTERRUPTED));
  }
  return exitCode === 0 || /Client disconnected/.test(lastLines.at(-1) ?? '');
}

/** What the argument parser, a panic or the last line that is an error says. */
function errorIn(lines: readonly string[]): string | undefined {
  const parser = lines.findIndex((line) => line.startsWith('error: '));
  if (parser !== -1) return withDetails(lines, parser);
  const errors = lines.flatMap((line, at) => {
    if (isPanic(lines[at - 1])) return [];
    if (isPanic(line)) return lines.slice(at, at + 2).join(' ');
    return levelOf(line) === 'error' ? line : [];
  });
  const causes = errors.filter((line) => !CONSEQUENCE.test(line));
  return causes.find(isPanic) ?? causes.at(-1) ?? errors.at(-1);
}

const isPanic = (line: string | undefined): boolean => /\bpanicked at\b/.test(line ?? '');

/** A line that ends in a colon goes on in the indented ones below it. */
function withDetails(lines: readonly string[], index: number): string {
  const first = lines[index] ?? '';
  if (!first.endsWith(':')) return first;
  const end = lines.findIndex((line, at) => at > index && !/^\s/.test(line));
  const details = lines.slice(index + 1, end === -1 ? undefined : end).map((line) => line.trim());
  return `${first} ${details.join(', ')}`;
}

/**
 * The Rust virtiofsd passes the end of its worker on: a signal as its negative, in the eight bits of a status. The C one
 * only ends with 1, in the middle of its work.
 */
function workerSignal({ exitCode, signal, lastLines }: DaemonEnd): string | undefined {
  if (signal !== undefined) return undefined;
  const last = lastLines.at(-1) ?? '';
  if (exitCode === 1 && last === 'virtio_loop: Entry') return UNKNOWN_SIGNAL;
  const number = exitCode === undefined ? Number(RUST_WORKER_END.exec(last)?.[1]) : 256 - exitCode;
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}
