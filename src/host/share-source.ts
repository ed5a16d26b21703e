import { basename } from 'node:path';
import type { Share, ShareRequest } from '../share/contract.ts';
import { adoptShare } from '../share/adopt-share.ts';
import type { ShareContext } from '../share/daemon-share-parts.ts';
import type { ShareRecord } from '../share/record.ts';
import type { Plugins } from './plugins/call.ts';
import type { ShareSource } from './sandbox-share.ts';

/** How long a daemon whose plugin is not there may take to end after SIGTERM before SIGKILL follows, in milliseconds. */
const STOP_TIMEOUT_MS = 5000;

/** A share that the plugin of its `shared_fs` opens. */
export function newShare(plugins: Plugins, request: ShareRequest): ShareSource {
  const { sharedFs } = request;
  return {
    ...request,
    adopted: false,
    plugin: plugins.provided.get(sharedFs) ?? sharedFs,
    open: (signal) => plugins.call('sandbox.create', sharedFs, request, { signal }),
    close: (share) => plugins.call('sandbox.delete', sharedFs, share),
  };
}

/** A share of a former host. Where its plugin cannot adopt it, or is not there, it stays as it is until it is closed. */
export function formerShare(plugins: Plugins, record: ShareRecord, context: ShareContext): ShareSource {
  const { namespace, sandboxId, tag, readOnly, owner, createdAt, provider: sharedFs, pod } = record;
  const isAdoptable = plugins.has('sandbox.adopt', sharedFs);
  const origin = {
    namespace,
    sandboxId,
    tag,
    readOnly,
    owner,
    sharedFs,
    createdAt: new Date(createdAt),
    pod,
  };
  return {
    ...origin,
    adopted: true,
    plugin: plugins.provided.get(sharedFs) ?? sharedFs,
    open: (signal) =>
      isAdoptable ? plugins.call('sandbox.adopt', sharedFs, record, { signal }) : leaveAlone(record, context),
    close: async (share) =>
      isAdoptable ? plugins.call('sandbox.delete', sharedFs, share) : share[Symbol.asyncDispose](),
  };
}

function leaveAlone(record: ShareRecord, context: ShareContext): Promise<Share> {
  const { sandboxId, tag, provider } = record;
  context.log.warn(
    { sandbox: sandboxId, share: tag, sharedFs: provider },
    `No plugin adopts shares of "${provider}": this one is left as it is, and can be closed`,
  );
  const name = basename(record.daemon?.command ?? provider);
  const daemon = { name, socket: 'own', ready: { settleMs: 0 } } as const;
  return adoptShare(context, record, {
    daemon: () => ({ ...daemon, startTimeoutMs: 0, stopTimeoutMs: STOP_TIMEOUT_MS }),
  });
}
