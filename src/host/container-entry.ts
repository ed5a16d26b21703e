import { Code, StatusError } from 'ttrpc-ts';
import { singleFlight } from '../async/single-flight.ts';
import type { CallOptions } from '../share/contract.ts';
import type { Container, ContainerExit, ContainerRequest, Sandbox } from './contract.ts';
import { rootfsMountpoint } from './rootfs-mountpoint.ts';

/** As one that was killed by SIGKILL. */
const SANDBOX_ENDED = 137;

/** A container of the table, and what is mounted for it. */
export class ContainerEntry implements Container {
  readonly containerId: string;
  readonly sandbox: Sandbox;
  readonly tag: string;
  readonly ended: Promise<ContainerExit>;
  /** At once and in order; what comes later waits for it. */
  readonly unmount: () => Promise<void>;
  readonly #cancel = new AbortController();
  readonly #mountpoints: string[];
  readonly #resolveEnded: (exit: ContainerExit) => void;
  #mounting: Promise<unknown> = Promise.resolve();
  #bundle = '';
  #exit: ContainerExit | undefined;

  constructor({
    sandbox,
    containerId,
    tag,
    mountpoints = [],
  }: {
    sandbox: Sandbox;
    containerId: string;
    tag: string;
    /** @default none yet */
    mountpoints?: readonly string[];
  }) {
    this.sandbox = sandbox;
    this.containerId = containerId;
    this.tag = tag;
    this.#mountpoints = [...mountpoints];
    const { promise, resolve } = Promise.withResolvers<ContainerExit>();
    this.ended = promise;
    this.#resolveEnded = resolve;
    this.unmount = singleFlight(() => this.#unmountAll());
    void sandbox.ended.then(() => this.end(SANDBOX_ENDED));
  }

  get bundle(): string {
    return this.#bundle;
  }

  get mountpoints(): readonly string[] {
    return this.#mountpoints;
  }

  get exit(): ContainerExit | undefined {
    return this.#exit;
  }

  /** Mounts the parts of the root file system. Where one fails, nothing is left. */
  mount({ bundle, rootfs }: ContainerRequest, { signal: caller }: CallOptions): Promise<void> {
    this.#bundle = bundle;
    const { signal: cancel } = this.#cancel;
    const signal = caller ? AbortSignal.any([caller, cancel]) : cancel;
    const mounting = this.#mountAll(rootfs, signal);
    this.#mounting = mounting.catch(() => {});
    return mounting;
  }

  /** The first end counts. */
  end(exitStatus: number): ContainerExit {
    this.#exit ??= { exitStatus, exitedAt: new Date() };
    this.#resolveEnded(this.#exit);
    return this.#exit;
  }

  async #mountAll(rootfs: ContainerRequest['rootfs'], signal: AbortSignal): Promise<void> {
    await using undo = new AsyncDisposableStack();
    for (const [index, { source, readOnly }] of rootfs.entries()) {
      const mountpoint = rootfsMountpoint(this.containerId, index);
      const options = ['rbind', readOnly ? 'ro' : 'rw'];
      // oxlint-disable-next-line no-await-in-loop -- seldom more than one
      await this.sandbox.mount(this.tag, { source, mountpoint, type: 'bind', options }, { signal });
      undo.defer(() => this.#unmountAt(mountpoint));
      this.#mountpoints.push(mountpoint);
    }
    signal.throwIfAborted();
    undo.move();
  }

  async #unmountAll(): Promise<void> {
    this.#cancel.abort(
      new StatusError(
        Code.Canceled,
        `Container "${this.containerId}" was deleted while it was being created`,
      ),
    );
    await this.#mounting;
    for (const mountpoint of this.#mountpoints.toReversed()) {
      // oxlint-disable-next-line no-await-in-loop -- in order
      await this.#unmountAt(mountpoint);
    }
  }

  /** With its share all goes that is mounted in it. */
  async #unmountAt(mountpoint: string): Promise<void> {
    const { sandbox, tag } = this;
    if (!sandbox.tags.includes(tag)) return;
    try {
      await sandbox.unmount(tag, mountpoint);
    } catch (error) {
      if (!sandbox.exit && sandbox.tags.includes(tag)) throw error;
    }
  }
}
