import { existsSync, rmSync } from 'node:fs';
import { Code, StatusError } from 'ttrpc-ts';
import { abortable } from '../async/abortable.ts';
import { shareFlight } from '../async/share-flight.ts';
import { takeTurn } from '../async/take-turn.ts';
import type { CallOptions } from '../share/contract.ts';
import { sharesIn, type Remains, type SandboxOnDisk } from '../share/leftovers.ts';
import { podAttributes } from '../share/pod.ts';
import { reapShares } from '../share/reap.ts';
import { newSandboxRecord } from '../share/sandbox-record.ts';
import { requireInPlace } from '../share/state-directory.ts';
import { withAttributes } from '../tracing/span.ts';
import { adoptSandbox, identityOf } from './adopt-sandbox.ts';
import type { Sandbox, Sandboxes, SandboxIdentity, SandboxRequest } from './contract.ts';
import { takeLeftovers } from './leftovers.ts';
import { openSandbox } from './open-sandbox.ts';
import type { Profile } from './profile.ts';
import { createReaper, type Reaper } from './reaper.ts';
import type { TellSandboxEvent } from './sandbox-events.ts';
import { partsOf, type CommonParts } from './sandbox-parts.ts';
import type { KeptSandbox } from './sandbox.ts';

/** What a host's table of sandboxes needs. */
export interface SandboxesParts extends CommonParts {
  readonly profile: Profile;
  /** The profile that is on record of a sandbox. */
  profileOf(this: void, name: string): Promise<Profile>;
  readonly tellSandbox: TellSandboxEvent;
}

/** Told to the log where nobody waits for a deletion any more. */
const NOT_DELETED = 'Cannot delete a sandbox';

interface Entry {
  readonly identity: SandboxIdentity;
  /** Resolves to undefined where nothing of it was adopted. */
  readonly creation: Promise<KeptSandbox | undefined>;
  /** True where another host had it. */
  readonly isFormer: boolean;
  readonly cancel: AbortController;
  /** Aborts when its creation is cancelled, by whomever. */
  readonly signal: AbortSignal;
  sandbox?: KeptSandbox;
}

/** Creates the table of a host's sandboxes. */
export const createSandboxes = (parts: SandboxesParts): Sandboxes => new SandboxTable(parts);

class SandboxTable implements Sandboxes {
  readonly #parts: SandboxesParts;
  readonly #entries = new Map<string, Entry>();
  readonly #purges = new Map<string, Promise<void>>();
  readonly #reap: Reaper;
  #isClosed = false;

  constructor(parts: SandboxesParts) {
    this.#parts = parts;
    this.#reap = createReaper(parts);
  }

  get size(): number {
    return new Set([...this.#entries.keys(), ...this.#purges.keys()]).size;
  }

  async create(request: SandboxRequest, { signal }: CallOptions = {}): Promise<Sandbox> {
    const { namespace, sandboxId } = request;
    const { stateDir } = this.#parts;
    const key = stateDir.sandboxDirectory(namespace, sandboxId);
    const present = this.#entries.get(key);
    if (present?.isFormer)
      await abortable(present.creation, AbortSignal.any([present.signal, ...(signal ? [signal] : [])]));
    if (existsSync(stateDir.deletion(namespace, sandboxId))) await this.purge(namespace, sandboxId);
    if (wasAbandoned(this.#entries.get(key))) await this.delete(namespace, sandboxId);
    if (this.#isClosed)
      throw new StatusError(Code.Unavailable, 'The host is ending: create the sandbox on the next one');
    if (this.#entries.has(key))
      throw new StatusError(Code.AlreadyExists, `Sandbox "${sandboxId}" exists: delete it first`);
    const cancel = new AbortController();
    const both = signal ? AbortSignal.any([signal, cancel.signal]) : cancel.signal;
    const creation = withAttributes(attributesOf(request), () => this.#open(request, both));
    const entry: Entry = { identity: request, creation, isFormer: false, cancel, signal: both };
    this.#entries.set(key, entry);
    try {
      entry.sandbox = await creation;
      this.#parts.tellSandbox('created', entry.sandbox);
      return this.#follow(entry.sandbox);
    } catch (error) {
      this.#entries.delete(key);
      throw error;
    }
  }

  takeOver(): Promise<void> {
    return takeLeftovers(this.#parts, async (onDisk, remains) => {
      const key = this.#parts.stateDir.sandboxDirectory(onDisk.namespace, onDisk.sandboxId);
      const cancel = new AbortController();
      const creation = this.#adopt(onDisk, remains);
      const identity: SandboxIdentity = { ...onDisk, owner: 'library' };
      const entry: Entry = { identity, creation, isFormer: true, cancel, signal: cancel.signal };
      this.#entries.set(key, entry);
      const sandbox = await creation;
      if (sandbox) entry.sandbox = this.#follow(sandbox);
      else if (this.#entries.get(key) === entry) this.#entries.delete(key);
    });
  }

  get(namespace: string, sandboxId: string): Sandbox {
    const sandbox = this.#entry(namespace, sandboxId)?.sandbox;
    if (sandbox) return sandbox;
    throw new StatusError(Code.NotFound, `No sandbox "${sandboxId}" in namespace "${namespace}"`);
  }

  find(namespace: string, sandboxId: string): Promise<Sandbox | undefined> | undefined {
    return this.#entry(namespace, sandboxId)?.creation;
  }

  delete(namespace: string, sandboxId: string, { signal }: CallOptions = {}): Promise<void> {
    const deleting = this.#delete(namespace, sandboxId);
    deleting.catch((error: unknown) => {
      if (signal?.aborted) this.#parts.log.error({ sandbox: sandboxId, err: error }, NOT_DELETED);
    });
    return abortable(deleting, signal);
  }

  async #delete(namespace: string, sandboxId: string): Promise<void> {
    const entry = this.#entry(namespace, sandboxId);
    if (!entry) return;
    entry.cancel.abort(
      new StatusError(Code.Canceled, `Sandbox "${sandboxId}" was deleted while it was being created`),
    );
    const sandbox = await entry.creation.catch(() => undefined);
    if (sandbox) await withAttributes(attributesOf(sandbox), () => this.#remove(sandbox, entry));
    const key = this.#parts.stateDir.sandboxDirectory(namespace, sandboxId);
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
    if (sandbox) this.#parts.tellSandbox('deleted', sandbox);
  }

  async #remove(sandbox: KeptSandbox, { isFormer }: Entry): Promise<void> {
    const { namespace, sandboxId, tags, record } = sandbox;
    const { stateDir } = this.#parts;
    if (tags.length > 0) record.change({ ending: 'delete' });
    await sandbox[Symbol.asyncDispose]();
    // With those that could not be adopted, or not be ended then.
    if (isFormer && stateDir.isInPlace())
      await reapShares(sharesIn(stateDir.sandboxDirectory(namespace, sandboxId)), this.#parts);
    record.forget();
  }

  purge(namespace: string, sandboxId: string): Promise<void> {
    const { stateDir } = this.#parts;
    const directory = stateDir.sandboxDirectory(namespace, sandboxId);
    const mark = stateDir.deletion(namespace, sandboxId);
    const purge = async (): Promise<void> => {
      await this.delete(namespace, sandboxId);
      await this.reap(namespace, sandboxId);
      if (stateDir.isInPlace()) rmSync(mark, { force: true });
    };
    // One at a time: a second one that came late would reach the next sandbox of that id.
    return shareFlight(this.#purges, directory, purge);
  }

  async reap(namespace: string, sandboxId: string): Promise<void> {
    if (!this.#entry(namespace, sandboxId) && this.#parts.stateDir.isInPlace())
      await this.#reap({ namespace, sandboxId });
  }

  has(sandbox: Sandbox): boolean {
    return this.#entry(sandbox.namespace, sandbox.sandboxId)?.sandbox === sandbox;
  }

  list(): readonly Sandbox[] {
    return [...this.#entries.values()].flatMap(({ sandbox }) => sandbox ?? []);
  }

  async detach(): Promise<void> {
    this.#isClosed = true;
    const unfinished = [...this.#entries.values()].filter(({ sandbox }) => !sandbox);
    for (const { cancel } of unfinished)
      cancel.abort(new StatusError(Code.Unavailable, 'The host is ending'));
    await Promise.allSettled([...unfinished.map(({ creation }) => creation), ...this.#purges.values()]);
    for (const { sandbox } of this.#entries.values()) sandbox?.record.letGo();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const identities = [...this.#entries.values()].map(({ identity }) => identity);
    const results = await Promise.allSettled(
      identities.map(({ namespace, sandboxId }) => this.delete(namespace, sandboxId)),
    );
    for (const result of results) {
      if (result.status === 'rejected')
        this.#parts.log.error({ err: result.reason as unknown }, 'Cannot close a sandbox');
    }
  }

  async #open(request: SandboxRequest, signal: AbortSignal): Promise<KeptSandbox> {
    const { contents } = request;
    await takeTurn();
    requireInPlace(this.#parts.stateDir);
    const reaping = this.#reap(request);
    if (reaping) await abortable(reaping, signal);
    const { shares, profile = this.#parts.profile } =
      typeof contents === 'function' ? await contents() : contents;
    signal.throwIfAborted();
    const { createdAt = new Date(), pod } = request;
    const record = newSandboxRecord({ ...request, createdAt }, profile.name);
    const parts = partsOf(this.#parts, profile, { record });
    return openSandbox({ ...identityOf(record), pod }, shares, { ...parts, signal });
  }

  async #adopt(
    { sandboxId }: SandboxOnDisk,
    left: Promise<Remains | undefined>,
  ): Promise<KeptSandbox | undefined> {
    try {
      const remains = await left;
      if (!remains) return undefined;
      const profile = await this.#parts.profileOf(remains.record.profile);
      return await adoptSandbox(remains, partsOf(this.#parts, profile, remains));
    } catch (error) {
      this.#parts.log.error({ sandbox: sandboxId, err: error }, 'Cannot adopt a sandbox');
      return undefined;
    }
  }

  #follow(sandbox: KeptSandbox): KeptSandbox {
    void sandbox.ended.then(() => this.#parts.tellSandbox('ended', sandbox));
    return sandbox;
  }

  #entry(namespace: string, sandboxId: string): Entry | undefined {
    return this.#entries.get(this.#parts.stateDir.sandboxDirectory(namespace, sandboxId));
  }
}

/** Nobody waits for its creation any more; what was made of it is being closed. */
const wasAbandoned = (entry: Entry | undefined): boolean =>
  entry !== undefined && !entry.sandbox && entry.signal.aborted;

const attributesOf = ({
  namespace,
  sandboxId,
  pod,
}: SandboxOnDisk & Pick<SandboxIdentity, 'pod'>): Record<string, string> => ({
  'sandbox.id': sandboxId,
  'containerd.namespace': namespace,
  ...podAttributes(pod),
});
