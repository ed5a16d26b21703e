import { singleFlight } from '../async/single-flight.ts';
import type { CallOptions, Share } from '../share/contract.ts';
import { HostShare } from './host-share.ts';
import type { Sandbox } from './sandbox.ts';
import type { Sandboxes } from './sandboxes.ts';
import type { ShareSpec } from './share-spec.ts';

/** A share, and the sandbox that it is to be in. */
export type LibraryShareRequest = ShareSpec & { sandboxId: string; namespace?: string };

/** Opens a share in a sandbox that may not be there yet. */
export type OpenLibraryShare = (request: LibraryShareRequest, options?: CallOptions) => Promise<Share>;

/** A sandbox that was made for its shares. */
interface Use {
  shares: number;
  /** The deletion of the sandbox, which the last of its shares began. */
  deletion?: Promise<void>;
}

/**
 * Opens shares for library users, who think of shares and not of sandboxes: the first share of an id makes the sandbox,
 * further ones join it, and it is deleted with its last one. A sandbox that others made stays.
 */
export function createLibraryShares(sandboxes: Sandboxes): OpenLibraryShare {
  const uses = new Map<string, Use>();

  /** Resolves to the sandbox and to what gives it up again. */
  const join = async (namespace: string, sandboxId: string): Promise<[Sandbox, () => Promise<void>]> => {
    const key = `${namespace}:${sandboxId}`;
    const former = uses.get(key);
    if (former?.deletion) {
      await former.deletion.catch(() => {});
      return join(namespace, sandboxId);
    }
    const existing = sandboxes.find(namespace, sandboxId);
    if (existing && !former) {
      const sandbox = await existing;
      return sandbox ? [sandbox, async () => {}] : join(namespace, sandboxId);
    }
    const use = former ?? { shares: 0 };
    uses.set(key, use);
    use.shares++;
    const leave = async (): Promise<void> => {
      if (--use.shares > 0) return;
      use.deletion = sandboxes.delete(namespace, sandboxId).finally(() => uses.delete(key));
      await use.deletion;
    };
    const request = { namespace, sandboxId, owner: 'library', contents: { shares: [] } } as const;
    const sandbox = await (existing ?? sandboxes.create(request));
    return [sandbox ?? (await sandboxes.create(request)), leave];
  };

  return async ({ sandboxId, namespace = 'default', ...spec }, options) => {
    await using undo = new AsyncDisposableStack();
    const [sandbox, leave] = await join(namespace, sandboxId);
    undo.defer(leave);
    const share = await sandbox.openShare(spec, options);
    undo.move();
    const close = async (): Promise<void> => {
      await share[Symbol.asyncDispose]();
      await leave();
    };
    return new HostShare(share, singleFlight(close));
  };
}
