import type { DaemonEnd, EndMeaning, LineLevel } from 'containerd-shim-virtiofs/plugin';

/** What nydusd puts before a line: `[2026-11-26 00:21:52.602570 +00:00] ERROR `. */
const PREFIX = /^\[[^\]]+\] (ERROR|WARN|INFO|DEBUG|TRACE) /;

/** The step after which nydusd ends with no more than "Operation not permitted". */
const LIMIT_STEP = / INFO Set rlimit-nofile to /;
const RAISE_LIMIT = 'the hard limit of open files is lower for it than for the shim: raise LimitNOFILE';

/** It says the same of a VMM that left as of one that it could not serve. */
const FAREWELL = /^\tHandleRequest\((?:PartialMessage|Disconnected)\)$|\] failed to wait daemon: /;
/** Begins an error of several lines, which says nothing by itself. */
const HEADER = /\] Error:$/;
/** The line of such an error that says what it is; the others say where it was found. */
const DETAIL = /^\t(?!at |note: )/;
/** By this its argument parser begins. */
const USAGE = /^error: /;
/** By this Rust ends a program that may not go on, and by this one whose main function failed. */
const PANIC = /\bpanicked at\b/;
const FAILURE = /^Error: /;

/** How serious a line of nydusd is. */
export function levelOf(line: string): LineLevel {
  if (FAREWELL.test(line) || HEADER.test(line)) return 'info';
  const level = PREFIX.exec(line)?.[1];
  if (level !== undefined) return level === 'ERROR' ? 'error' : level === 'WARN' ? 'warn' : 'info';
  const isError = [DETAIL, USAGE, PANIC, FAILURE].some((pattern) => pattern.test(line));
  return isError ? 'error' : 'info';
}

/** So many signs of a line stand in an error. */
const MAX_WORDS = 500;
/** A URL as Rust's Debug writes it. */
const URL_FIELDS =
  /Url \{ scheme: "(\w+)",[^}]*?host: Some\(\w+\("?([^")]*)"?\)\), port: (?:None|Some\((\d+)\)), path: "([^"]*)"[^}]*\}/g;

/** What a line of nydusd says, without when and where, and URLs as people write them. */
export const wordsOf = (line: string): string =>
  line
    .replace(/^\[[^\]]+\] \w+ (?:\[[^\]]+\] )?/, '')
    .trim()
    .replace(/^"(.*)"$/s, '$1')
    .replaceAll('\\"', '"')
    .replaceAll(URL_FIELDS, (_, scheme: string, host: string, port: string | undefined, path: string) =>
      port === undefined ? `${scheme}://${host}${path}` : `${scheme}://${host}:${port}${path}`,
    )
    .slice(0, MAX_WORDS);

/** nydusd lives on when its VMM has left, so its end is that of a nydusd that was told to, or that failed. */
export function explainEnd({ exitCode, lastLines }: DaemonEnd): EndMeaning {
  const said = lastLines.findLast((line) => levelOf(line) === 'error') ?? lastLines.at(-1);
  const words = isAboutOpenFiles(lastLines) ? `${said} (${RAISE_LIMIT})` : said;
  if (exitCode === 0) return { cause: 'disconnected', words };
  if (lastLines.some((line) => PANIC.test(line))) return { cause: 'crashed', words };
  return said !== undefined && USAGE.test(said) ? { cause: 'usage', words } : { words };
}

const isAboutOpenFiles = (lines: readonly string[]): boolean =>
  LIMIT_STEP.test(lines.at(-2) ?? '') && /kind: PermissionDenied/.test(lines.at(-1) ?? '');
