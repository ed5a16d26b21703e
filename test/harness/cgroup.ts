import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A cgroup of a test's own, whose last process is gone before its disposal. */
export interface Cgroup extends Disposable {
  readonly path: string;
  /** Writes one of its files, whose name differs in versions 1 and 2. */
  limit(files: { v1: string; v2: string }, value: string): void;
}

/** Makes a cgroup (version 1 or 2) with a controller; undefined where this machine lets nobody make one. */
export function makeCgroup(controller: 'memory' | 'pids'): Cgroup | undefined {
  const root = '/sys/fs/cgroup';
  const line = new RegExp(`^\\d+:${controller}:(.*)$`, 'm');
  const own = line.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
  const name = `csv-${controller}-${process.pid}`;
  const path = own === undefined ? join(root, name) : join(root, controller, own, name);
  try {
    mkdirSync(path);
  } catch {
    return undefined;
  }
  if (![`${controller}.max`, 'memory.limit_in_bytes'].some((file) => existsSync(join(path, file)))) {
    rmdirSync(path);
    return undefined;
  }
  return {
    path,
    limit: ({ v1, v2 }, value) => writeFileSync(join(path, own === undefined ? v2 : v1), value),
    [Symbol.dispose]: () => rmdirSync(path),
  };
}
