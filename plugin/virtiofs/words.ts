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
/** The C virtiofsd gives its lines no level; these words are in those that are no mere information. */
const ERROR_WORDS =
  /\b(errors?|failed|failure|fail|fatal|cannot|can't|could not|unable|invalid|unknown|unexpected|missing|denied|refused|negative|panicked|no such|not a|not supported)\b/i;
/** What the worker of the Rust virtiofsd says, before or after the daemon has told why it ended. */
const CONSEQUENCE = /Parent process died unexpectedly/;
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
  const { exitCode, lastLines } = end;
  const hasLeft =
    exitCode === 0 || (exitCode === undefined && /Client disconnected/.test(lastLines.at(-1) ?? ''));
  const words = explanationIn(lastLines);
  return hasLeft
    ? { reason: 'disconnected', words }
    : { reason: 'failed', words, workerSignal: workerSignal(end) };
}

/** What the argument parser, a panic or the last line that is an error says; else the last line. */
function explanationIn(lines: readonly string[]): string | undefined {
  const parser = lines.findIndex((line) => line.startsWith('error: '));
  if (parser !== -1) return withDetails(lines, parser);
  const panic = lines.findIndex((line) => /\bpanicked at\b/.test(line));
  if (panic !== -1) return lines.slice(panic, panic + 2).join(' ');
  const errors = lines.filter((line) => levelOf(line) === 'error');
  return errors.findLast((line) => !CONSEQUENCE.test(line)) ?? errors.at(-1) ?? lines.at(-1);
}

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
function workerSignal({ exitCode = 0, lastLines }: DaemonEnd): string | undefined {
  if (exitCode === 1 && lastLines.at(-1) === 'virtio_loop: Entry') return UNKNOWN_SIGNAL;
  const number = 256 - exitCode;
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}
