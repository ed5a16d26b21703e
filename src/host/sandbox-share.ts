import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import { oneATurn } from '../async/one-a-turn.ts';
import { singleFlight } from '../async/single-flight.ts';
import type { DaemonExit } from '../daemon/exit.ts';
import { systemStatus } from '../proc/system-error.ts';
import type { Share, ShareRequest } from '../share/contract.ts';
import { checkShare } from './checked-share.ts';
import { HostShare } from './host-share.ts';
import type { Plugins } from './plugins/call.ts';

/** A place in a sandbox: taken by its tag from the moment at which somebody asks for it. */
export interface SandboxShare {
  readonly sharedFs: string;
  /** Resolves to the share when the plugin has opened it. */
  readonly opening: Promise<Share>;
  /** The plugin's own share, once it is open. */
  readonly plugins: Share | undefined;
  /** What the host gives out, once it is open. */
  readonly share: Share | undefined;
  /** How its daemon ended, once it has. */
  readonly exit: DaemonExit | undefined;
  /** Cancels what is being opened, closes what is open; once for all who ask. */
  close(): Promise<void>;
}

/** Opens a share through its plugin. `onClosed` is called when its daemon has ended. */
export function openSandboxShare(options: {
  request: ShareRequest;
  plugins: Plugins;
  log: Logger;
  signal: AbortSignal | undefined;
  /** Takes it out of its sandbox. */
  onRemoved: () => void;
  onClosed: (share: Share, exit: DaemonExit) => void;
}): SandboxShare {
  const { request, plugins, onRemoved, onClosed } = options;
  const { sharedFs } = request;
  const cancel = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, cancel.signal]) : cancel.signal;
  let own: Share | undefined;
  let share: Share | undefined;
  let exit: DaemonExit | undefined;

  const { sandboxId, tag } = request;
  const plugin = plugins.provided.get(sharedFs) ?? sharedFs;
  const log = options.log.child({ sandbox: sandboxId, share: tag, plugin });

  const checkOrClose = async (opened: Share): Promise<Share> => {
    try {
      return checkShare(opened, { plugin, tag, log });
    } catch (error) {
      // It may be a share but for one member, with a daemon behind it.
      await plugins
        .call('sandbox.delete', sharedFs, opened)
        .catch((cause: unknown) => log.error({ err: cause }, 'Cannot close what is no share'));
      throw error;
    }
  };
  const open = async (): Promise<Share> => {
    await oneATurn();
    signal.throwIfAborted();
    const opened = await plugins
      .call('sandbox.create', sharedFs, request, { signal })
      .catch((error: unknown) => {
        throw systemStatus(error, { doing: `Cannot open share "${request.tag}"` }) ?? error;
      });
    const checked = await checkOrClose(opened);
    own = opened;
    const given = new HostShare(checked, close);
    share = given;
    void checked.closed.then((ended) => {
      exit = ended;
      onClosed(given, ended);
    });
    return given;
  };
  const opening = open();
  const close = singleFlight(async () => {
    const message = `Share "${request.tag}" was closed while it was being opened`;
    cancel.abort(new StatusError(Code.Canceled, message));
    await opening.catch(() => {});
    if (own) await plugins.call('sandbox.delete', sharedFs, own);
    onRemoved();
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
    close,
  };
}
