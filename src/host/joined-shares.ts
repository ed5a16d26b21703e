import { Code, StatusError } from 'ttrpc-ts';
import { singleFlight } from '../async/single-flight.ts';
import type { CallOptions, Share } from '../share/contract.ts';
import type { CheckedShare } from './checked-share.ts';
import { HostShare } from './host-share.ts';
import type { Sandbox, Sandboxes } from './contract.ts';
import type { ShareSpec } from './share-spec.ts';

/** A share, and the sandbox that it is to be in. */
export type LibraryShareRequest = ShareSpec & { sandboxId: string; namespace?: string };

/** Opens a share in a sandbox that may not be there yet. */
export type OpenLibraryShare = (request: LibraryShareRequest, options?: CallOptions) => Promise<Share>;

/** What names a share, or with no tag all those of a sandbox. */
export interface ShareName {
  readonly namespace: string;
  readonly sandboxId: string;
  readonly tag?: string | undefined;
}

/** A share, the sandbox that it is to be in, and on whose behalf it is opened. */
export type JoinRequest = LibraryShareRequest & { owner: 'library' | 'api' };

/** Opens and closes shares for those who think of shares and not of sandboxes. */
export interface JoinedShares {
  /**
   * Opens a share. The first one of an id makes the sandbox, further ones join it, and it is deleted with its last one.
   * A sandbox that others made stays.
   *
   * @throws StatusError FailedPrecondition where the sandbox has ended, and for `api` where it is containerd's; what
   *   {@link Sandbox.openShare} throws
   */
  open(request: JoinRequest, options?: CallOptions): Promise<Share>;
  /**
   * Closes shares by name, also those that are being opened, and says how many; of what is not there, none.
   *
   * @throws StatusError FailedPrecondition where the sandbox is containerd's
   */
  close(name: ShareName): Promise<number>;
}

/** Creates what opens and closes shares of a host by their names. */
export const createJoinedShares = (sandboxes: Sandboxes): JoinedShares => new Joined(sandboxes);

/** What goes on in a sandbox for its shares' sake. */
interface Use {
  /** How many wait for it or put a share into it. */
  openers: number;
  /** Those of them that have not put their share into it yet. */
  readonly joining: Set<Promise<Sandbox>>;
  creation?: Promise<Sandbox> | undefined;
  deletion?: Promise<void> | undefined;
}

class Joined implements JoinedShares {
  readonly #sandboxes: Sandboxes;
  readonly #uses = new Map<string, Use>();

  constructor(sandboxes: Sandboxes) {
    this.#sandboxes = sandboxes;
  }

  async open(request: JoinRequest, { signal }: CallOptions = {}): Promise<Share> {
    const { sandboxId, namespace = 'default', owner, ...spec } = request;
    const name = { namespace, sandboxId };
    const use = this.#useOf(name);
    let sandbox: Sandbox | undefined;
    use.openers++;
    try {
      const joining = this.#join(name, use, owner).finally(() => use.joining.delete(joining));
      use.joining.add(joining);
      sandbox = await joining;
      signal?.throwIfAborted();
      return this.#given(name, sandbox, await sandbox.openShare(spec, { signal }));
    } finally {
      use.openers--;
      await this.#leave(name, sandbox);
    }
  }

  async close(name: ShareName): Promise<number> {
    const { namespace, sandboxId, tag } = name;
    const use = this.#uses.get(keyOf(name));
    await use?.deletion?.catch(() => {});
    if (use) await Promise.allSettled(use.joining);
    const sandbox = await this.#sandboxes.find(namespace, sandboxId)?.catch(() => undefined);
    if (!sandbox) return 0;
    requireNotContainerds(sandbox, 'only containerd closes its shares');
    if (tag === undefined) {
      const { length } = sandbox.tags;
      await this.#delete(name);
      return length;
    }
    if (!sandbox.tags.includes(tag)) return 0;
    await sandbox.closeShare(tag);
    await this.#leave(name, sandbox);
    return 1;
  }

  #given(name: ShareName, sandbox: Sandbox, share: CheckedShare): Share {
    const close = async (): Promise<void> => {
      await share[Symbol.asyncDispose]();
      await this.#leave(name, sandbox);
    };
    return new HostShare(share, singleFlight(close));
  }

  async #join(name: ShareName, use: Use, owner: JoinRequest['owner']): Promise<Sandbox> {
    while (use.deletion) {
      // oxlint-disable-next-line no-await-in-loop -- another one may have begun
      await use.deletion.catch(() => {});
    }
    const existing = use.creation ?? this.#sandboxes.find(name.namespace, name.sandboxId);
    const sandbox = await (existing ?? this.#create(name, use, owner));
    // Nothing of what a former host had of it could be adopted.
    if (!sandbox) return this.#join(name, use, owner);
    if (owner === 'api') requireNotContainerds(sandbox, 'its shares come from its spec');
    if (sandbox.exit && sandbox.goesWithShares) {
      const message = `Sandbox "${name.sandboxId}" has ended: close its shares first`;
      throw new StatusError(Code.FailedPrecondition, message);
    }
    return sandbox;
  }

  /** Nobody's signal: others may join it. */
  #create({ namespace, sandboxId }: ShareName, use: Use, owner: JoinRequest['owner']): Promise<Sandbox> {
    const request = { namespace, sandboxId, owner, goesWithShares: true, contents: { shares: [] } };
    use.creation = this.#sandboxes.create(request).finally(() => (use.creation = undefined));
    return use.creation;
  }

  /** Deletes a sandbox that was made for its shares, where it has none and gets none. */
  async #leave(name: ShareName, sandbox: Sandbox | undefined): Promise<void> {
    const isEmpty = sandbox?.tags.length === 0 && sandbox.goesWithShares;
    // Another one may have its name by now.
    if (isEmpty && this.#useOf(name).openers === 0 && this.#sandboxes.has(sandbox)) await this.#delete(name);
    this.#forget(name);
  }

  #delete(name: ShareName): Promise<void> {
    const use = this.#useOf(name);
    use.deletion ??= this.#sandboxes.delete(name.namespace, name.sandboxId).finally(() => {
      use.deletion = undefined;
      this.#forget(name);
    });
    return use.deletion;
  }

  #useOf(name: ShareName): Use {
    const key = keyOf(name);
    const use = this.#uses.get(key) ?? { openers: 0, joining: new Set() };
    this.#uses.set(key, use);
    return use;
  }

  #forget(name: ShareName): void {
    const use = this.#uses.get(keyOf(name));
    if (use?.openers === 0 && !use.creation && !use.deletion) this.#uses.delete(keyOf(name));
  }
}

function requireNotContainerds({ sandboxId, owner }: Sandbox, why: string): void {
  if (owner !== 'shim' && owner !== 'controller') return;
  throw new StatusError(Code.FailedPrecondition, `Sandbox "${sandboxId}" is containerd's: ${why}`);
}

const keyOf = ({ namespace, sandboxId }: ShareName): string => `${namespace}:${sandboxId}`;
