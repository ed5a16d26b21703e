import { fstatSync } from 'node:fs';
import { url } from 'node:inspector';
import { UsageError } from './commands/command.ts';
import { ANNOUNCE_FD } from './run-host.ts';

const ALLOW = 'CONTAINERD_SHIM_VIRTIOFS_ALLOW_NODE_OPTIONS';

/**
 * Refuses a debugger and options from outside: through a debugger's port any local user runs code as this process.
 *
 * @throws UsageError unless the environment allows it
 */
export function refuseNodeOptions(environment: NodeJS.ProcessEnv = process.env): void {
  if (environment[ALLOW] === '1') return;
  const found = url() === undefined ? environment['NODE_OPTIONS'] && 'NODE_OPTIONS' : "Node.js' debugger";
  if (!found) return;
  throw new UsageError(`${found} is set, and this program runs as root: unset it, or set ${ALLOW}=1`);
}

/** @throws UsageError where nobody listens at {@link ANNOUNCE_FD} */
export function requireAnnounceDescriptor(): void {
  const isOpen = ((): boolean => {
    try {
      const found = fstatSync(ANNOUNCE_FD);
      return found.isFIFO() || found.isSocket();
    } catch {
      return false;
    }
  })();
  if (!isOpen) throw new UsageError(`--announce needs a pipe as descriptor ${ANNOUNCE_FD}`);
}
