import { makeCgroup, type Cgroup } from './cgroup.ts';

/** Makes a cgroup whose processes may use little memory; undefined where this machine lets nobody make one. */
export function memoryCgroup(limitBytes: number): Cgroup | undefined {
  const cgroup = makeCgroup('memory');
  cgroup?.limit({ v1: 'memory.limit_in_bytes', v2: 'memory.max' }, String(limitBytes));
  return cgroup;
}
