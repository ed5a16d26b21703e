import { isAbsolute } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import { abortable } from '../async/abortable.ts';
import { singleFlight } from '../async/single-flight.ts';
import { isFailure, type DaemonExit } from '../daemon/exit.ts';
import { messageOf } from '../errors.ts';
import type { CallOptions, MountRequest, Share, ShareRequest, UnmountOutcome } from '../share/contract.ts';
import type { ShareOwner } from '../share/owner.ts';
import type { Pod } from '../share/pod.ts';
import type { ShareRecord } from '../share/record.ts';
import type { OwnerData } from '../share/sandbox-record.ts';
import type { ShareFiles } from '../share/state-directory.ts';
import type { CheckedShare } from './checked-share.ts';
import type { Sandbox, SandboxExit, SandboxIdentity } from './contract.ts';
import { exitStatusOf } from './exit-status.ts';
import type { KeptRecord } from './kept-record.ts';
import { recordExit } from './recorded-exit.ts';
import { ReplayedShare } from './replayed-share.ts';
import type { SandboxParts } from './sandbox-parts.ts';
import { createSandboxMounts } from './sandbox-mounts.ts';
import { openSandboxShare, type SandboxShare, type ShareSource } from './sandbox-share.ts';
import type { ShareMount, ShareMounts } from './share-mounts.ts';
import { formerShare, newShare } from './share-source.ts';
import type { ShareSnapshot } from './share-snapshot.ts';
import { requireCacheModes, type ShareSpec } from './share-spec.ts';

/** Creates a sandbox without shares, be it that of a former host, which knew of its end. */
export const createSandbox = (
  identity: SandboxIdentity,
  parts: SandboxParts,
  exit?: SandboxExit,
): KeptSandbox => new GrowingSandbox(identity, parts, exit);

/** A sandbox, and what stands on disk of it. */
export interface KeptSandbox extends Sandbox {
  readonly record: KeptRecord;
}

/** Told to the log where nobody waits for a closing any more. */
const NOT_CLOSED = 'Cannot close a share';

class GrowingSandbox implements KeptSandbox {
  readonly namespace: string;
  readonly sandboxId: string;
  readonly owner: ShareOwner;
  readonly createdAt: Date;
  readonly pod: Pod | undefined;
  readonly goesWithShares: boolean;
  readonly ownerData: OwnerData;
  readonly record: KeptRecord;
  startBy: Date | undefined;
  readonly ended: Promise<SandboxExit>;
  readonly #parts: SandboxParts;
  readonly #shares = new Map<string, { readonly entry: SandboxShare; readonly mounts: ShareMounts }>();
  readonly #resolveEnded: (exit: SandboxExit) => void;
  readonly #close: () => Promise<void>;
  #isClosing = false;
  #exit: SandboxExit | undefined;

  constructor(identity: SandboxIdentity, parts: SandboxParts, exit: SandboxExit | undefined) {
    const { namespace, sandboxId, owner, createdAt = new Date(), pod } = identity;
    const { goesWithShares = false, ownerData = {}, startBy } = identity;
    this.namespace = namespace;
    this.sandboxId = sandboxId;
    this.owner = owner;
    this.createdAt = createdAt;
    this.pod = pod;
    this.goesWithShares = goesWithShares;
    this.record = parts.record;
    this.ownerData = ownerData;
    this.startBy = startBy;
    this.#parts = parts;
    const { promise, resolve } = Promise.withResolvers<SandboxExit>();
    this.ended = promise;
    this.#resolveEnded = resolve;
    if (exit) this.#end(exit);
    this.#close = singleFlight(() => this.#closeAll());
  }

  get shares(): readonly Share[] {
    return [...this.#shares.values()].flatMap(({ entry }) => entry.share ?? []);
  }

  snapshots(): readonly ShareSnapshot[] {
    return [...this.#shares.values()].flatMap(({ entry }) => entry.snapshot() ?? []);
  }

  get tags(): readonly string[] {
    return [...this.#shares.keys()];
  }

  noteStarted(): void {
    this.record.insist({ isStarted: true });
    this.startBy = undefined;
  }

  get exit(): SandboxExit | undefined {
    return this.#exit;
  }

  async openShare(spec: ShareSpec, { signal }: CallOptions = {}): Promise<CheckedShare> {
    this.#requireOpen();
    const share = await this.#open(newShare(this.#parts.profile.plugins, this.#requestOf(spec)), signal);
    // While its daemon starts: until now the next host has had nothing to find.
    if (this.goesWithShares) this.record.keep();
    return share;
  }

  async adoptShare(record: ShareRecord): Promise<Share> {
    const { profile, ...context } = this.#parts;
    return this.#open(formerShare(profile.plugins, record, context));
  }

  async #open(source: ShareSource, signal?: AbortSignal): Promise<CheckedShare> {
    const { tell } = this.#parts;
    const log = this.#parts.log.child({ sandbox: this.sandboxId });
    const { tag } = source;
    if (this.#shares.has(tag)) {
      const message = `Sandbox "${this.sandboxId}" already has a share "${tag}": close it first`;
      throw new StatusError(Code.AlreadyExists, message);
    }
    const { namespace, sandboxId } = this;
    const names = { namespace, sandboxId, tag, sharedFs: source.sharedFs };
    const mounts = createSandboxMounts({ ...this.#parts, ...names, shareOf: () => entry });
    const { replay } = mounts;
    const entry: SandboxShare = openSandboxShare({
      source,
      log,
      tell,
      signal,
      follow: (share) => (replay ? new ReplayedShare(share, { ...source, replay, log }) : share),
      beforeClose: () => mounts.close(),
      onRemoved: () => {
        if (this.#shares.get(tag)?.entry === entry) this.#shares.delete(tag);
        this.#endIfLeft();
      },
      onClosed: (share, exit) => this.#onClosed(share, exit),
    });
    this.#shares.set(tag, { entry, mounts });
    return entry.opening;
  }

  async closeShare(tag: string, { signal }: CallOptions = {}): Promise<void> {
    const closing = this.#find(tag).entry.close();
    closing.catch((error: unknown) => {
      if (signal?.aborted)
        this.#parts.log.error({ sandbox: this.sandboxId, share: tag, err: error }, NOT_CLOSED);
    });
    await abortable(closing, signal);
  }

  async mount(tag: string, request: MountRequest, options: CallOptions = {}): Promise<ShareMount> {
    const { mounts } = this.#find(tag);
    return mounts.mount(request, options);
  }

  async unmount(tag: string, mountpoint: string, options: CallOptions = {}): Promise<UnmountOutcome> {
    const { mounts } = this.#find(tag);
    return mounts.unmount(mountpoint, options);
  }

  mounts(tag: string): readonly ShareMount[] {
    return this.#find(tag).mounts.list();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #closeAll(): Promise<void> {
    this.#isClosing = true;
    if (this.tags.length > 0) this.record.change({ ending: 'stop' });
    const results = await Promise.allSettled([...this.#shares.values()].map(({ entry }) => entry.close()));
    this.#end({ exitStatus: 0, cause: 'stopped', exitedAt: new Date() });
    const failures = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    );
    if (failures.length === 0) return;
    throw failures.length === 1
      ? failures[0]
      : new AggregateError(failures, failures.map(messageOf).join('; '));
  }

  #requestOf({
    tag,
    source,
    readOnly = false,
    cache,
    sharedFs = this.#parts.profile.sharedFs,
  }: ShareSpec): ShareRequest {
    const { namespace, sandboxId, owner, pod } = this;
    // Refuses names that are no names before any plugin makes paths of them.
    this.#filesOf(tag);
    if (source && !isAbsolute(source)) {
      const message = `Share "${tag}" has a relative source "${source}": use an absolute path`;
      throw new StatusError(Code.InvalidArgument, message);
    }
    const { outlivesHost, profile } = this.#parts;
    requireCacheModes([{ tag, cache, sharedFs }], profile);
    const createdAt = new Date();
    const request = { namespace, sandboxId, owner, outlivesHost, createdAt, profile: profile.name, pod };
    return { ...request, tag, source, readOnly, cache, sharedFs };
  }

  #requireOpen(): void {
    if (!this.#isClosing && !this.#exit) return;
    const message = `Sandbox "${this.sandboxId}" has ended: create it again`;
    throw new StatusError(Code.FailedPrecondition, message);
  }

  #filesOf(tag: string): ShareFiles {
    return this.#parts.stateDir.share(this.namespace, this.sandboxId, tag);
  }

  #find(tag: string): { readonly entry: SandboxShare; readonly mounts: ShareMounts } {
    const found = this.#shares.get(tag);
    if (found) return found;
    throw new StatusError(Code.NotFound, `Sandbox "${this.sandboxId}" has no share "${tag}"`);
  }

  #onClosed(share: Share, exit: DaemonExit): void {
    const { cause } = exit;
    if (isFailure(cause) && share.onExit !== 'keep')
      this.#end({
        exitStatus: exitStatusOf(exit),
        cause,
        exitedAt: new Date(),
        failed: { tag: share.tag, exit },
      });
    this.#endIfLeft();
    this.#parts.onShareClosed(this, share, exit);
  }

  /** Ends when the VMM has left all shares that are there, and all are of those that end it. */
  #endIfLeft(): void {
    if (this.shares.some(({ onExit }) => onExit === 'keep')) return;
    const causes = [...this.#shares.values()].map(({ entry }) => entry.exit?.cause);
    if (causes.length === 0 || causes.some((cause) => cause !== 'disconnected')) return;
    this.#end({ exitStatus: 0, cause: 'disconnected', exitedAt: new Date() });
  }

  #end(exit: SandboxExit): void {
    if (this.#exit) return;
    this.#exit = exit;
    this.record.change({ exit: recordExit(exit) });
    this.#resolveEnded(exit);
  }
}
