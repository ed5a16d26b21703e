import { statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Host } from '../host/host.ts';
import { lockFile } from '../proc/flock.ts';
import type { Serving } from './serve.ts';

const POLL_MS = 500;

/**
 * Resolves when a host that a shim's `start` had started is of no more use: for `timeoutMs` it had no sandbox and no
 * `start` announced one. Until the disposal of the result, no `start` can look for a host: dispose of it last.
 */
export async function untilIdle(
  { host, serving }: { host: Host; serving: Serving },
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<AsyncDisposable> {
  const { startLock, lastStart } = host.stateDir.host;
  let lastUse = performance.now();
  let mark = markOf(lastStart);
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- a poll
    await delay(POLL_MS, undefined, { signal, ref: false });
    const former = mark;
    mark = markOf(lastStart);
    if (host.sandboxes.size > 0 || mark !== former) lastUse = performance.now();
    if (performance.now() - lastUse < timeoutMs) continue;
    // oxlint-disable-next-line no-await-in-loop
    const lock = await lockFile(startLock).catch(() => undefined);
    if (!lock) continue;
    // A start that finds us needs no lock; it has left its mark before it looks for us.
    serving.hide();
    const isIdle = host.sandboxes.size === 0 && markOf(lastStart) === mark;
    // Where the host was told to end meanwhile, it has hidden for good.
    if (isIdle || signal.aborted) return lock;
    serving.announce();
    // oxlint-disable-next-line no-await-in-loop
    await lock[Symbol.asyncDispose]();
  }
}

/** Differs after each `start` of a shim. Its time alone says nothing: clocks are set. */
function markOf(lastStart: string): string {
  try {
    const { ino, mtimeNs } = statSync(lastStart, { bigint: true });
    return `${ino}:${mtimeNs}`;
  } catch {
    return 'none';
  }
}
