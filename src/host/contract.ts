import type { DaemonExit } from '../daemon/exit.ts';
import type { ExitCause } from '../errors.ts';
import type { CallOptions, MountRequest, Share, UnmountOutcome } from '../share/contract.ts';
import type { ShareOwner } from '../share/owner.ts';
import type { Pod } from '../share/pod.ts';
import type { ShareRecord } from '../share/record.ts';
import type { OwnerData } from '../share/sandbox-record.ts';
import type { CheckedShare } from './checked-share.ts';
import type { Profile } from './profile.ts';
import type { ShareMount } from './share-mounts.ts';
import type { ShareSnapshot } from './share-snapshot.ts';
import type { ShareSpec } from './share-spec.ts';

/** Who a sandbox is, and who wants it. */
export interface SandboxIdentity {
  readonly namespace: string;
  readonly sandboxId: string;
  readonly owner: ShareOwner;
  /** @default now */
  readonly createdAt?: Date | undefined;
  /** The pod that it is made for. @default none */
  readonly pod?: Pod | undefined;
  /** True for one that is made for its shares, and goes with the last of them. @default true for `api`, else false */
  readonly goesWithShares?: boolean | undefined;
  /** What its owner wants to find again after a restart of the host: anything that JSON can hold. @default {} */
  readonly ownerData?: OwnerData | undefined;
  /** Until when the call goes on that is to have it started. @default it is not known, or it was started */
  readonly startBy?: Date | undefined;
}

/** Why a sandbox ended. */
export interface SandboxExit {
  /** 0 when it was stopped or its VMM left, otherwise the failed daemon's status (128 + signal where a signal ended it). */
  readonly exitStatus: number;
  /** `stopped`, `disconnected`, or that of the daemon that failed. */
  readonly cause: ExitCause;
  readonly exitedAt: Date;
  /** The share whose daemon failed. */
  readonly failed?: { readonly tag: string; readonly exit: DaemonExit } | undefined;
}

/** The shares of one sandbox. Disposal closes them all and waits until nothing of them is left. */
export interface Sandbox extends AsyncDisposable {
  readonly namespace: string;
  readonly sandboxId: string;
  readonly owner: ShareOwner;
  readonly createdAt: Date;
  /** The pod that it is made for. */
  readonly pod: Pod | undefined;
  /** True for one that was made for its shares, and goes with the last of them. */
  readonly goesWithShares: boolean;
  /** What its owner wanted to find again after a restart of the host, to which it says nothing. */
  readonly ownerData: OwnerData;
  /** Until when it is to be started; undefined where that is not known, and once it was. */
  readonly startBy: Date | undefined;
  /**
   * Says for the next host that containerd had it started: else that one adopts a controller's only until {@link startBy}.
   *
   * @throws StatusError where that cannot be written down
   */
  noteStarted(): void;
  /** Those that are open, in the order in which they were asked for. */
  readonly shares: readonly Share[];
  /** What can be told of {@link shares} now. */
  snapshots(): readonly ShareSnapshot[];
  /** Of all its shares, those that are being opened or closed included. */
  readonly tags: readonly string[];
  /**
   * Adds a share.
   *
   * @throws StatusError AlreadyExists for a tag in use, FailedPrecondition where the sandbox has ended; what the
   *   plugin's hook throws
   */
  openShare(spec: ShareSpec, options?: CallOptions): Promise<CheckedShare>;
  /** Takes over a share that another host opened. @throws what {@link openShare} throws */
  adoptShare(record: ShareRecord): Promise<Share>;
  /**
   * Closes a share, or cancels its opening, and takes it out. The signal ends the caller's wait, not the closing.
   *
   * @throws StatusError NotFound for an unknown tag
   */
  closeShare(tag: string, options?: CallOptions): Promise<void>;
  /**
   * Mounts something in a share. The signal gives it up: then nothing is left of it.
   *
   * @throws StatusError NotFound for an unknown tag, Unimplemented where its provider has no mounts; what the plugin's
   *   hook throws
   */
  mount(tag: string, request: MountRequest, options?: CallOptions): Promise<ShareMount>;
  /** Unmounts it, and says whether the guest may still hold it. @throws as {@link mount} */
  unmount(tag: string, mountpoint: string, options?: CallOptions): Promise<UnmountOutcome>;
  /** What is mounted in a share, in the order in which it was. @throws StatusError NotFound for an unknown tag */
  mounts(tag: string): readonly ShareMount[];
  /**
   * Resolves once: when it is closed, when one of its daemons failed, or when all of them have lost their VMM. The end of
   * a share whose policy is `keep` does not count.
   */
  readonly ended: Promise<SandboxExit>;
  /** How it ended, once it has. */
  readonly exit: SandboxExit | undefined;
}

/** What is in a sandbox at its creation. */
export interface SandboxContents {
  readonly shares: readonly ShareSpec[];
  /** @default the host's own configuration */
  readonly profile?: Profile | undefined;
}

/** What makes a sandbox. */
export interface SandboxRequest extends SandboxIdentity {
  /** A function is called when the sandbox's id is taken, so that a deletion that overtakes it finds the sandbox. */
  readonly contents: SandboxContents | (() => Promise<SandboxContents>);
}

/** A daemon that ended without being asked to. */
export interface Quit {
  readonly sandbox: Sandbox;
  readonly share: Share;
  readonly exit: DaemonExit;
}

/** The sandboxes of a host, one at most of each namespace and id. Disposal closes them all. */
export interface Sandboxes extends AsyncDisposable {
  /** @throws StatusError AlreadyExists; what a plugin's hook throws */
  create(request: SandboxRequest, options?: CallOptions): Promise<Sandbox>;
  /** @throws StatusError NotFound */
  get(namespace: string, sandboxId: string): Sandbox;
  /** The sandbox, once its creation or adoption is done; undefined where there is none, or nothing was adopted. */
  find(namespace: string, sandboxId: string): Promise<Sandbox | undefined> | undefined;
  /**
   * Cancels a sandbox's creation or closes its shares, then forgets it; an unknown one is no error. The signal ends the
   * caller's wait, not the deletion.
   */
  delete(namespace: string, sandboxId: string, options?: CallOptions): Promise<void>;
  /** {@link delete}, ends what a dead host left of it, and removes the shim's mark that asked for it. */
  purge(namespace: string, sandboxId: string): Promise<void>;
  /** Ends what a dead host left under an id that this one has no sandbox of. */
  reap(namespace: string, sandboxId: string): Promise<void>;
  /** How many there are, those that are being created or purged included. */
  readonly size: number;
  /** True for one whose creation is done, until it is deleted. */
  has(sandbox: Sandbox): boolean;
  /** Those whose creation is done. */
  list(): readonly Sandbox[];
  /** Takes over what another host left: what outlives its host is adopted, all else is ended. Call it once. */
  takeOver(): Promise<void>;
  /** Refuses further ones, cancels those in creation, ends purges; those whose creation is done stay alive. */
  detach(): Promise<void>;
}

/** A part of a container's root file system, to be mounted in a share. */
export interface RootfsPart {
  readonly source: string;
  readonly readOnly: boolean;
}

/** A container, and the sandbox in whose share its root file system is to be. */
export interface ContainerRequest {
  readonly namespace: string;
  readonly sandboxId: string;
  readonly containerId: string;
  /** Where containerd keeps what it knows of it. */
  readonly bundle: string;
  readonly rootfs: readonly RootfsPart[];
}

/** How a container ended, which never ran here. */
export interface ContainerExit {
  /** 128 + the signal by which it was killed, 137 where its sandbox ended, else 0. */
  readonly exitStatus: number;
  readonly exitedAt: Date;
}

/** A container whose root file system is mounted in a share. It runs in its sandbox's VM, if anywhere. */
export interface Container {
  readonly containerId: string;
  readonly sandbox: Sandbox;
  /** The share's. */
  readonly tag: string;
  /** In the share, in the order of the parts. */
  readonly mountpoints: readonly string[];
  /** Empty where a former host was told. */
  readonly bundle: string;
  /** Resolves when it was killed or deleted, or its sandbox has ended. */
  readonly ended: Promise<ContainerExit>;
  readonly exit: ContainerExit | undefined;
}

/** The containers of a host's sandboxes, by namespace and id; those that a former host mounted are among them. */
export interface Containers {
  /**
   * Mounts a container's root file system in the first of its sandbox's shares that has a directory of the host's own.
   *
   * @throws StatusError NotFound for an unknown sandbox, AlreadyExists, FailedPrecondition where it has no such share;
   *   what {@link Sandbox.mount} throws. Nothing is mounted then
   */
  create(request: ContainerRequest, options: CallOptions): Promise<Container>;
  find(namespace: string, containerId: string): Container | undefined;
  /** @throws StatusError NotFound */
  get(namespace: string, containerId: string): Container;
  /** Ends it; what is mounted stays. @throws StatusError NotFound */
  kill(namespace: string, containerId: string, signal: number): void;
  /** Cancels its creation or unmounts what is mounted for it. @throws StatusError NotFound */
  delete(namespace: string, containerId: string): Promise<ContainerExit>;
  /** {@link delete}; true where there was one, or one was deleted and not forgotten. */
  forget(namespace: string, containerId: string): Promise<boolean>;
}
