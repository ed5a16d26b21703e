import { execFileSync } from 'node:child_process';

/** Makes directories in each other, below an existing one, whose path is longer than the kernel takes (PATH_MAX). */
export function nestTooDeep(directory: string): void {
  const step = 'd'.repeat(200);
  const script = `for i in $(seq 40); do mkdir ${step} && cd -P ${step} || exit 1; done; : >file`;
  execFileSync('sh', ['-c', script], { cwd: directory });
}
