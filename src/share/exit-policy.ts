import type { Daemon } from '../daemon/contract.ts';
import type { DaemonExit } from '../daemon/exit.ts';
import type { ExitCause } from '../errors.ts';

/**
 * What follows when a share's daemon ends unasked. `stop-sandbox`: its sandbox ends with it. `respawn`: a new one takes its
 * place where the old one had no VMM any more, or none yet; otherwise as `stop-sandbox`. `keep`: it is only reported.
 */
export const EXIT_POLICIES = ['stop-sandbox', 'respawn', 'keep'] as const;

/** One of {@link EXIT_POLICIES}. */
export type ExitPolicy = (typeof EXIT_POLICIES)[number];

/** How many daemons in a row may end before a VMM has come and within {@link CALM_MS}. */
export const MAX_IN_A_ROW = 8;

/** A daemon that ran for so long, in milliseconds, is no one that ends over and over. */
const CALM_MS = 60_000;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;

/** Those that the next daemon would repeat, or that somebody asked for. */
const FINAL: ReadonlySet<ExitCause> = new Set(['stopped', 'usage', 'start-failed', 'no-client']);

/**
 * True for a daemon that another one can replace. Never under a VMM that is there: its guest would hang for good, as no
 * daemon resumes another one's file-system session.
 */
export function isReplaceable(exit: DaemonExit, { hadClient }: Pick<Daemon, 'hadClient'>): boolean {
  if (exit.cause === 'disconnected') return true;
  if (hadClient !== false) return false;
  return !FINAL.has(exit.cause) || wasCutShort(exit);
}

/** Its host ended while it started, and nobody knows what it died of. */
const wasCutShort = ({ cause, exitCode, signal }: DaemonExit): boolean =>
  cause === 'start-failed' && exitCode === undefined && signal === undefined;

/** True for a daemon whose end says nothing against the next one. */
export const hasServed = ({ uptimeMs }: DaemonExit, { hadClient }: Pick<Daemon, 'hadClient'>): boolean =>
  hadClient === true || uptimeMs >= CALM_MS;

/** How long the next daemon waits for its start, in milliseconds, when so many have ended in a row before the last. */
export const delayMsAfter = (inARow: number): number => Math.min(FIRST_DELAY_MS * 2 ** inARow, MAX_DELAY_MS);
