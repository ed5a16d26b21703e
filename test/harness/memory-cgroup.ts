import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A cgroup whose processes may use little memory, the last of which is gone before its disposal. */
export interface MemoryCgroup extends Disposable {
  readonly path: string;
}

/** Makes a cgroup (version 1 or 2) with a limit; undefined where this machine lets nobody make one. */
export function memoryCgroup(limitBytes: number): MemoryCgroup | undefined {
  const root = '/sys/fs/cgroup';
  const own = /^\d+:memory:(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
  const path =
    own === undefined ? join(root, `csv-${process.pid}`) : join(root, 'memory', own, `csv-${process.pid}`);
  try {
    mkdirSync(path);
  } catch {
    return undefined;
  }
  const limit = join(path, own === undefined ? 'memory.max' : 'memory.limit_in_bytes');
  const cgroup = { path, [Symbol.dispose]: () => rmdirSync(path) };
  if (!existsSync(limit)) {
    cgroup[Symbol.dispose]();
    return undefined;
  }
  writeFileSync(limit, String(limitBytes));
  return cgroup;
}
