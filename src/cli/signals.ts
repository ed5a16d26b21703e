import type { Host } from '../host/host.ts';
import { hungPaths } from '../foreign/touch-in-child.ts';
import type { HostLog } from './host-log.ts';

/** Their default is to end a process, without order. */
const IGNORED = ['SIGUSR2', 'SIGQUIT', 'SIGALRM', 'SIGVTALRM', 'SIGIO', 'SIGPWR', 'SIGSTKFLT'] as const;

/** A process that signals tell something, besides SIGINT and SIGTERM. Disposal gives them back their defaults. */
export interface Signals extends Disposable {
  /** Has SIGUSR1 describe this host. */
  diagnose(host: Host): void;
}

/**
 * SIGHUP reloads the log, SIGUSR1 writes a diagnosis to it; others that would end the process are logged. A listener
 * for SIGUSR1 also keeps Node.js from opening its debugger at that signal.
 */
export function heedSignals(log: HostLog): Signals {
  let host: Host | undefined;
  const reload = (): void =>
    void log.reload().then(
      () => log.tell({}, 'Reloaded the log and its level'),
      (error: unknown) => log.logger.error({ err: error }, 'Cannot reload the log'),
    );
  const diagnose = (): void => log.tell(diagnosisOf(host), 'Diagnosis');
  const ignore = (signal: NodeJS.Signals): void => log.logger.warn({ signal }, 'Ignored a signal');
  process.on('SIGHUP', reload).on('SIGUSR1', diagnose);
  for (const signal of IGNORED) process.on(signal, ignore);
  return {
    diagnose(opened) {
      host = opened;
    },
    [Symbol.dispose]() {
      process.off('SIGHUP', reload).off('SIGUSR1', diagnose);
      for (const signal of IGNORED) process.off(signal, ignore);
    },
  };
}

function diagnosisOf(host: Host | undefined): Record<string, unknown> {
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  return {
    uptimeSeconds: Math.round(process.uptime()),
    memory: process.memoryUsage(),
    // Timers, sockets, children, …: what keeps this process running, how many of each.
    resources,
    hungPaths: hungPaths(),
    sandboxesInCreation: host ? host.sandboxes.size - host.sandboxes.list().length : 0,
    sandboxes: host?.sandboxes.list().map(({ namespace, sandboxId, createdAt, exit, shares }) => ({
      namespace,
      sandboxId,
      createdAt,
      exit,
      shares: shares.map((share) => share.status()),
    })),
  };
}
