import { setTimeout as delay } from 'node:timers/promises';
import { Code } from 'ttrpc-ts';
import { DaemonError } from '../errors.ts';
import type { DaemonTraits } from './spec.ts';

/** How long after an answer that was no the next question comes, in milliseconds. */
const PROBE_MS = 20;

/** Whether a daemon waits for its VMM; settles once: reached, failed, or timed out. */
export interface ReadinessWatch {
  readonly promise: Promise<void>;
  /** Looks for the line that says so. */
  onLine(line: string): void;
  reached(): void;
  failed(error: Error): void;
}

/** What a daemon that is late has said. */
export interface Said {
  lastLines(): readonly string[];
  /** True where its output goes elsewhere. */
  isSilent(): boolean;
}

/** Made once: to make one for each daemon takes longer than all else here. */
const SETTLED = new DOMException('The daemon is waited for no more', 'AbortError');

const NOTHING: Said = { lastLines: () => [], isSilent: () => false };

/** Watches for a daemon's readiness. What waits here never keeps the process alive. */
export function watchReadiness(
  spec: DaemonTraits,
  onReached: () => void,
  said: Said = NOTHING,
): ReadinessWatch {
  const { ready } = spec;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const settled = new AbortController();
  // Whoever opened the share may never ask; an exit is reported through `exited` as well.
  promise.catch(() => {});

  const settle = (act: () => void): void => {
    if (settled.signal.aborted) return;
    settled.abort(SETTLED);
    act();
  };
  const reached = (): void =>
    settle(() => {
      onReached();
      resolve();
    });
  const failed = (error: Error): void => settle(() => reject(error));

  if ('settleMs' in ready) after(ready.settleMs, settled.signal, reached);
  else after(spec.startTimeoutMs, settled.signal, () => failed(timeoutError(spec, said)));
  if ('probe' in ready) void ask(ready.probe, settled.signal).then(reached, failed);
  return {
    promise,
    onLine: (line) => {
      if ('line' in ready && ready.line.test(line)) reached();
    },
    reached,
    failed,
  };
}

function after(ms: number, signal: AbortSignal, act: () => void): void {
  const timer = setTimeout(act, ms).unref();
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
}

/** Asks until the answer is yes. A question that hangs is given up with the start. */
async function ask(
  probe: (options: { signal: AbortSignal }) => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- a poll
  while (!(await probe({ signal }))) await delay(PROBE_MS, undefined, { signal, ref: false });
}

function timeoutError(
  { name, ready, startTimeoutMs, startTimeoutRemedy }: DaemonTraits,
  said: Said,
): DaemonError {
  const isAsked = 'probe' in ready;
  const remedies =
    !isAsked && said.isSilent()
      ? ['let it write to its standard error: what starts it sends its output elsewhere']
      : ['see its output', startTimeoutRemedy].filter(Boolean);
  const what = isAsked ? 'did not answer' : 'did not say';
  return new DaemonError(
    `${name} ${what} within ${startTimeoutMs} ms that it waits for its VMM: ${remedies.join(', or ')}`,
    { code: Code.DeadlineExceeded, lastLines: said.lastLines() },
  );
}
