import { closeSync, readdirSync, readlinkSync } from 'node:fs';

/**
 * Closes the descriptors that this process was started with, besides the standard three and `except`: containerd hands
 * on what its own starter left open, and whoever waits for the end of such a pipe would wait for us. Call it before
 * anything is opened. What stays is Node.js' own: event queues, /dev/null, and pipes whose both ends are here.
 */
export function closeInherited({ except = [] }: { except?: readonly number[] } = {}): void {
  const open = readdirSync('/proc/self/fd').flatMap((name) => {
    const target = targetOf(name);
    const fd = Number(name);
    return target === undefined || fd <= 2 || except.includes(fd) ? [] : [{ fd, target }];
  });
  const targets = open.map(({ target }) => target);
  for (const { fd, target } of open) {
    if (isOwn(target, targets)) continue;
    try {
      closeSync(fd);
    } catch {
      // The listing's own descriptor has gone by now.
    }
  }
}

function isOwn(target: string, targets: readonly string[]): boolean {
  if (target.startsWith('anon_inode:') || target === '/dev/null') return true;
  return target.startsWith('pipe:') && targets.filter((other) => other === target).length > 1;
}

function targetOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}
