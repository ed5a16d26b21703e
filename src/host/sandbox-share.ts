import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import { singleFlight } from '../async/single-flight.ts';
import { takeTurn } from '../async/take-turn.ts';
import type { DaemonExit } from '../daemon/exit.ts';
import { systemStatus } from '../proc/system-error.ts';
import type { Share } from '../share/contract.ts';
import { checkShare, type CheckedShare } from './checked-share.ts';
import type { TellEvent } from './events.ts';
import { HostShare } from './host-share.ts';
import { takeSnapshot, type ShareOrigin, type ShareSnapshot } from './share-snapshot.ts';
import { tellChanges, type ChangesTeller } from './tell-changes.ts';

/** A place in a sandbox: taken by its tag from the moment at which somebody asks for it. */
export interface SandboxShare {
  readonly sharedFs: string;
  /** Resolves to the share when the plugin has opened it. */
  readonly opening: Promise<CheckedShare>;
  /** The plugin's own share, once it is open. */
  readonly plugins: Share | undefined;
  /** What the host gives out, once it is open. */
  readonly share: Share | undefined;
  /** How its daemon ended, once it has. */
  readonly exit: DaemonExit | undefined;
  /** What can be told of it now, once it is open. */
  snapshot(): ShareSnapshot | undefined;
  /** Cancels what is being opened, closes what is open; once for all who ask. */
  close(): Promise<void>;
}

/** How a plugin's share comes to be, and goes. */
export interface ShareSource extends ShareOrigin {
  readonly tag: string;
  /** Names what opens it in errors. */
  readonly plugin: string;
  open(signal: AbortSignal): Promise<Share>;
  close(share: Share): Promise<void>;
}

/** Takes a place for a share, opens it, and tells of it from then on. `onClosed` is called when its daemon has ended. */
export function openSandboxShare(options: {
  source: ShareSource;
  log: Logger;
  tell: TellEvent;
  signal: AbortSignal | undefined;
  /** Does what follows when another daemon takes its daemon's place. */
  follow: (share: CheckedShare) => CheckedShare;
  /** Ends what is done to it otherwise. */
  beforeClose: () => Promise<void>;
  /** Takes it out of its sandbox. */
  onRemoved: () => void;
  onClosed: (share: Share, exit: DaemonExit) => void;
}): SandboxShare {
  const { source, tell, onRemoved, onClosed } = options;
  const { tag, sharedFs, plugin } = source;
  const cancel = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, cancel.signal]) : cancel.signal;
  let own: Share | undefined;
  let share: HostShare | undefined;
  let exit: DaemonExit | undefined;
  let changes: ChangesTeller | undefined;
  const snapshotOf = (given: Share): ShareSnapshot => takeSnapshot(given, source, exit);

  const log = options.log.child({ share: tag, plugin });

  const checkOrClose = async (opened: Share): Promise<CheckedShare> => {
    try {
      return checkShare(opened, { plugin, tag, log });
    } catch (error) {
      // It may be a share but for one member, with a daemon behind it.
      await source
        .close(opened)
        .catch((cause: unknown) => log.error({ err: cause }, 'Cannot close what is no share'));
      throw error;
    }
  };
  const open = async (): Promise<CheckedShare> => {
    await takeTurn();
    signal.throwIfAborted();
    const opened = await source.open(signal).catch((error: unknown) => {
      throw systemStatus(error, { doing: `Cannot open share "${tag}"` }) ?? error;
    });
    const returned = await checkOrClose(opened);
    own = opened;
    const checked = options.follow(returned);
    const given = new HostShare(checked, close);
    share = given;
    changes = tellChanges(checked, { tell, snapshot: () => snapshotOf(given) });
    void checked.closed.then((ended) => {
      exit = ended;
      changes?.exited();
      onClosed(given, ended);
    });
    return given;
  };
  const opening = open();
  const close = singleFlight(async () => {
    const message = `Share "${tag}" was closed while it was being opened`;
    cancel.abort(new StatusError(Code.Canceled, message));
    await opening.catch(() => {});
    await options.beforeClose();
    await takeTurn();
    if (own) await source.close(own);
    onRemoved();
    changes?.closed();
  });
  opening.catch(onRemoved);
  return {
    sharedFs,
    opening,
    get plugins() {
      return own;
    },
    get share() {
      return share;
    },
    get exit() {
      return exit;
    },
    snapshot: () => share && snapshotOf(share),
    close,
  };
}
