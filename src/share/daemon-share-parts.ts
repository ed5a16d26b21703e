import type { Logger } from 'pino';
import type { Daemon } from '../daemon/contract.ts';
import type { DaemonTraits } from '../daemon/spec.ts';
import type { PluginContext } from './contract.ts';
import { podAttributes } from './pod.ts';
import type { ShareRecord } from './record.ts';
import type { ShareFiles } from './state-directory.ts';

/** What of a plugin's context a share needs. */
export type ShareContext = Pick<PluginContext, 'stateDir' | 'daemons' | 'log'>;

/** A share that one daemon after the other serves, and what is on record of it. */
export interface DaemonShareParts {
  readonly files: ShareFiles;
  readonly record: ShareRecord;
  /** The first, as far as this host knows. */
  readonly daemon: Daemon;
  /** What those are like that follow it; they execute what it does. */
  readonly traits: DaemonTraits;
  /** True where another host started the daemon. */
  readonly adopted: boolean;
}

/** How a share's daemon takes turns with others, and where it logs. */
export const startOptions = (
  { log }: Pick<ShareContext, 'log'>,
  { namespace, sandboxId, tag, pod }: ShareRecord,
): { group: string; log: Logger } => ({
  group: `${namespace}/${sandboxId}`,
  log: log.child({ sandbox: sandboxId, ...podAttributes(pod), share: tag }),
});
