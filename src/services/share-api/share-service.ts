import type { ServiceImpl } from 'ttrpc-ts';
import { abortable } from '../../async/abortable.ts';
import type { Host } from '../../host/host.ts';
import type { Sandbox } from '../../host/contract.ts';
import type { OpenRequest, Shares } from '../../proto/share/shares_pb.ts';
import { closed } from '../closing.ts';
import { VERSION } from '../view.ts';
import { describe, requireForm, type Description } from './describe.ts';
import { listMounts, listShares } from './list.ts';
import { mountMessage } from './message.ts';
import { watchShares } from './watch.ts';

/** Where a request names none. */
const DEFAULT_NAMESPACE = 'default';

/** The parts of a host that the share service serves. */
export type ServedHost = Pick<Host, 'sandboxes' | 'shares' | 'events' | 'stateDir'>;

/** What serves the share service. Disposal, after the server's, waits for what was being opened: nothing is left of it. */
export type ShareService = ServiceImpl<typeof Shares> & AsyncDisposable;

/** The service for shims and runtimes in any language, over the host's shares. */
export function createShareService(host: ServedHost): ShareService {
  const underWay = new Set<Promise<unknown>>();
  const track = async <T>(call: Promise<T>): Promise<T> => {
    underWay.add(call);
    return call.finally(() => underWay.delete(call));
  };
  const find = (request: {
    namespace: string;
    sandboxId: string;
  }): { namespace: string; sandbox: Sandbox } => {
    const namespace = request.namespace || DEFAULT_NAMESPACE;
    return { namespace, sandbox: host.sandboxes.get(namespace, request.sandboxId) };
  };
  const open: ShareService['open'] = (request, { signal }) => track(openShare(host, request, signal));
  return {
    open,

    async close({ namespace, sandboxId, tag }) {
      const name = { namespace: namespace || DEFAULT_NAMESPACE, sandboxId, tag: tag || undefined };
      return { closed: await closed(host.shares.close(name)) };
    },

    list: (filter) => ({ shares: listShares(host, filter) }),

    get({ namespace, sandboxId, tag, ...request }) {
      const name = { namespace: namespace || DEFAULT_NAMESPACE, sandboxId, tag };
      return describe(host, name, requireForm(request));
    },

    watch: (filter, { signal }) => watchShares(host, { filter, signal }),

    async mount({ config, type, ...request }, { signal }) {
      const { namespace, sandbox } = find(request);
      const { tag, source, mountpoint, options } = request;
      const optional = { ...(config ? { config } : {}), ...(type ? { type } : {}) };
      const asked = { source, mountpoint, options, ...optional };
      const mount = await track(sandbox.mount(tag, asked, { signal }));
      return { mount: mountMessage({ namespace, sandboxId: sandbox.sandboxId, tag }, mount) };
    },

    async unmount({ mountpoint, tag, ...request }, { signal }) {
      return track(find(request).sandbox.unmount(tag, mountpoint, { signal }));
    },

    listMounts: (filter) => ({ mounts: listMounts(host, filter) }),

    version: () => ({ version: VERSION, pid: process.pid, state: host.stateDir.path }),

    [Symbol.asyncDispose]: async () => void (await Promise.allSettled(underWay)),
  };
}

/** Answers when the daemon waits for its VMM; where it does not or the signal aborts, nothing is left. */
async function openShare(
  host: ServedHost,
  { sandboxId, tag, source, readOnly, cache, sharedFs, ...request }: OpenRequest,
  signal: AbortSignal,
): Promise<Description> {
  const namespace = request.namespace || DEFAULT_NAMESPACE;
  const spec = {
    tag,
    readOnly,
    ...(source ? { source } : {}),
    ...(cache ? { cache } : {}),
    ...(sharedFs ? { sharedFs } : {}),
  };
  const form = requireForm(request);
  await using undo = new AsyncDisposableStack();
  const share = undo.use(await host.shares.open({ namespace, sandboxId, owner: 'api', ...spec }, { signal }));
  await abortable(share.ready, signal);
  const answer = describe(host, { namespace, sandboxId, tag }, form);
  undo.move();
  return answer;
}
