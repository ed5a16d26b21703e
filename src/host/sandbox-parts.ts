import type { Logger } from 'pino';
import type { DaemonExit } from '../daemon/exit.ts';
import type { Daemons } from '../daemon/pool/pool.ts';
import type { Share } from '../share/contract.ts';
import type { SandboxRecord } from '../share/sandbox-record.ts';
import type { StateDirectory } from '../share/state-directory.ts';
import type { Quit, Sandbox } from './contract.ts';
import type { TellEvent } from './events.ts';
import { keepRecord, NOT_KEPT, type KeepOptions, type KeptRecord } from './kept-record.ts';
import type { Profile } from './profile.ts';

/** What the sandboxes of a host have in common. */
export interface CommonParts {
  readonly stateDir: StateDirectory;
  readonly daemons: Daemons;
  readonly log: Logger;
  /** True where sandboxes are there for the next host, but those of a shim, which are dead for containerd then. */
  readonly outliveHost: boolean;
  readonly tell: TellEvent;
  readonly onQuit: ((quit: Quit) => void) | undefined;
}

/** What a sandbox gets from its host. */
export interface SandboxParts extends Pick<CommonParts, 'log' | 'stateDir' | 'daemons' | 'tell'> {
  readonly profile: Profile;
  /** True where its shares are there for the next host, when this one ends without closing them. */
  readonly outlivesHost: boolean;
  readonly record: KeptRecord;
  /** Called when a daemon has ended, whoever ended it. */
  readonly onShareClosed: (sandbox: Sandbox, share: Share, exit: DaemonExit) => void;
}

/** What a sandbox gets from its host that has this record, be it on disk or not. */
export function partsOf(
  common: CommonParts,
  profile: Profile,
  { record, found }: { readonly record: SandboxRecord } & Pick<KeepOptions, 'found'>,
): SandboxParts {
  const { stateDir, daemons, log, tell, outliveHost, onQuit } = common;
  const outlivesHost = outliveHost && record.owner !== 'shim';
  return {
    profile,
    stateDir,
    daemons,
    log,
    tell,
    outlivesHost,
    record: outlivesHost ? keepRecord(record, { stateDir, log, found }) : NOT_KEPT,
    onShareClosed(sandbox, share, exit) {
      if (exit.cause === 'stopped') return;
      try {
        onQuit?.({ sandbox, share, exit });
      } catch (error) {
        log.error({ sandbox: sandbox.sandboxId, err: error }, 'The quit callback failed');
      }
    },
  };
}
