import { describeEnd } from '../daemon/exit.ts';
import type { SandboxRecord } from '../share/sandbox-record.ts';
import type { SandboxExit } from './contract.ts';

/** A sandbox's end as its record has it. */
type RecordedExit = NonNullable<SandboxRecord['exit']>;

/** What is written down of a sandbox's end: all of it. */
export function recordExit({ exitStatus, cause, exitedAt, failed }: SandboxExit): RecordedExit {
  const end = { exitStatus, cause, exitedAt: exitedAt.toISOString() };
  if (!failed) return end;
  const { tag, exit } = failed;
  const { uptimeMs, lastLines, workerSignal } = exit;
  const worker = workerSignal === undefined ? {} : { workerSignal };
  const daemonEnd = { ...describeEnd(exit), ...worker, uptimeMs, lastLines: [...lastLines] };
  return { ...end, failed: { tag, exit: daemonEnd } };
}

/** The end that {@link recordExit} wrote down. */
export function recalledExit({ failed, exitedAt, ...same }: RecordedExit): SandboxExit {
  const end = { ...same, exitedAt: new Date(exitedAt) };
  if (!failed) return end;
  const { tag, exit } = failed;
  return { ...end, failed: { tag, exit: { ...exit, exitedAt: new Date(exit.exitedAt) } } };
}
