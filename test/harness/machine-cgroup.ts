import { mkdtempSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

/** A control group for all that a machine's systemd starts. Disposal removes it, when nothing runs there any more. */
export interface MachineCgroup extends Disposable {
  readonly path: string;
}

/** Makes one; undefined where this machine has no control groups of version 2, or lets nobody make one. */
export function makeMachineCgroup(): MachineCgroup | undefined {
  const root = /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/self/mounts', 'utf8'))?.[1];
  if (root === undefined) return undefined;
  try {
    const path = mkdtempSync(join(root, 'csv-'));
    return { path, [Symbol.dispose]: () => remove(path) };
  } catch {
    return undefined;
  }
}

/** True where a machine's systemd could run. */
export function canRunSystemd(): boolean {
  using cgroup = makeMachineCgroup();
  return cgroup !== undefined;
}

function remove(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true }))
    if (entry.isDirectory()) remove(join(directory, entry.name));
  rmdirSync(directory);
}
