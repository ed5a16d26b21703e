import { readdir, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeLeaks, findLeaks, isOfRun, type Leaks } from './leaks.ts';
import { observe, type Machine } from './machine.ts';

/** The run that is looked at. */
export interface RunToCheck {
  readonly before: Machine;
  readonly temporary: string;
  readonly isStrict: boolean;
  /** How long things may take to go away after the last test. @default 60000 */
  readonly graceMs?: number;
}

/** Resolves to false, after naming it all and ending its processes, if a run left anything; removes its temporary folder. */
export async function reportLeaks(run: RunToCheck): Promise<boolean> {
  const deadline = performance.now() + (run.graceMs ?? 60_000);
  let leaks = await look(run);
  while (describeLeaks(leaks).length > 0 && performance.now() < deadline) {
    await sleep(100);
    leaks = await look(run);
  }
  for (const one of leaks.processes) if (isOfRun(one, run.temporary)) end(one.pid);
  const isBelowMount = leaks.mounts.length > 0; // whose source must not be deleted through it
  if (!isBelowMount) await rm(run.temporary, { recursive: true, force: true });
  const lines = describeLeaks(leaks);
  if (lines.length === 0) return true;
  console.error(['The tests left behind:', ...lines.map((line) => `  ${line}`)].join('\n'));
  return false;
}

async function look({ before, temporary, isStrict }: RunToCheck): Promise<Leaks> {
  const files = (await readdir(temporary)).map((entry) => `${temporary}/${entry}`);
  return findLeaks({ before, after: await observe(), temporary, files, isStrict });
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {} // ended meanwhile
}
