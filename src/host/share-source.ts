import { basename } from 'node:path';
import type { ShareRequest } from '../share/contract.ts';
import { adoptShare } from '../share/adopt-share.ts';
import type { ShareContext } from '../share/daemon-share.ts';
import type { ShareRecord } from '../share/record.ts';
import type { Plugins } from './plugins/call.ts';
import type { ShareSource } from './sandbox-share.ts';

/** How long a daemon whose plugin is not there may take to end after SIGTERM before SIGKILL follows, in milliseconds. */
const STOP_TIMEOUT_MS = 5000;

/** A share that the plugin of its `shared_fs` opens. */
export const newShare = (plugins: Plugins, request: ShareRequest): ShareSource => ({
  ...hooked(plugins, request.tag, request.sharedFs),
  open: (signal) => plugins.call('sandbox.create', request.sharedFs, request, { signal }),
});

/** A share of a former host. Where its plugin cannot adopt it, or is not there, it stays as it is until it is closed. */
export function formerShare(plugins: Plugins, record: ShareRecord, context: ShareContext): ShareSource {
  const { tag, provider } = record;
  if (plugins.has('sandbox.adopt', provider))
    return {
      ...hooked(plugins, tag, provider),
      open: (signal) => plugins.call('sandbox.adopt', provider, record, { signal }),
    };
  const name = basename(record.daemon?.command ?? provider);
  return {
    tag,
    sharedFs: provider,
    plugin: provider,
    open: () => {
      context.log.warn(
        { sandbox: record.sandboxId, share: tag, sharedFs: provider },
        `No plugin adopts shares of "${provider}": this one is left as it is, and can be closed`,
      );
      const daemon = { name, socket: 'own', ready: { settleMs: 0 } } as const;
      return adoptShare(context, record, {
        daemon: () => ({ ...daemon, startTimeoutMs: 0, stopTimeoutMs: STOP_TIMEOUT_MS }),
      });
    },
    close: async (share) => share[Symbol.asyncDispose](),
  };
}

const hooked = (plugins: Plugins, tag: string, sharedFs: string): Omit<ShareSource, 'open'> => ({
  tag,
  sharedFs,
  plugin: plugins.provided.get(sharedFs) ?? sharedFs,
  close: (share) => plugins.call('sandbox.delete', sharedFs, share),
});
