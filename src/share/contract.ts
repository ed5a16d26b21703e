import type { Logger } from 'pino';
import type { DaemonState } from '../daemon/contract.ts';
import type { DaemonExit, EndDescription } from '../daemon/exit.ts';
import type { Daemons } from '../daemon/pool/pool.ts';
import type { ExitPolicy } from './exit-policy.ts';
import type { ShareOwner } from './owner.ts';
import type { Pod } from './pod.ts';
import type { ShareRecord } from './record.ts';
import type { StateDirectory } from './state-directory.ts';

/** One host directory that one sandbox is to see. */
export interface ShareRequest {
  /** containerd's namespace; `default` for library users who have none. */
  readonly namespace: string;
  readonly sandboxId: string;
  /** The guest's mount tag: at most 36 bytes (virtio 1.2, 5.11.4). */
  readonly tag: string;
  /** Absolute path of the directory; absent for an empty one that the host owns. */
  readonly source?: string | undefined;
  readonly readOnly: boolean;
  /** One of its provider's cache modes. @default the provider's own setting */
  readonly cache?: string | undefined;
  /** Which provider serves it, e.g. `virtio-fs`. */
  readonly sharedFs: string;
  readonly owner: ShareOwner;
  /** True where the next host is to adopt it, when this one ends without closing it. */
  readonly outlivesHost: boolean;
  /** When it was asked for. */
  readonly createdAt: Date;
  /** The configuration that holds for the sandbox: a file, or what stands for it in errors. */
  readonly profile: string;
  /** The pod that the sandbox is made for; absent where it is made for none. */
  readonly pod?: Pod | undefined;
}

/** A share of the configuration, before any sandbox has it. */
export type ShareWish = Pick<ShareRequest, 'tag' | 'source' | 'readOnly' | 'cache'>;

/** A snapshot of a share for a person or a monitor. */
export interface ShareStatus {
  readonly tag: string;
  readonly state: DaemonState;
  readonly pid: number;
  readonly socketPath: string;
  readonly apiSocketPath?: string | undefined;
  readonly sharedDir: string;
  readonly queueSize: number;
  /** True where another host started its daemon. */
  readonly adopted?: boolean;
  /** How often its daemon has been replaced. @default 0 */
  readonly restarts?: number;
  readonly lastLines: readonly string[];
  /** Why its daemon ended; absent while it runs. */
  readonly exit?: EndDescription;
}

/** What to mount under a share's directory; the provider defines `config`. */
export interface MountRequest {
  readonly source: string;
  readonly mountpoint: string;
  readonly config?: string;
  /** Type and options of a mount that a snapshotter made. @default the provider's own kind of mount */
  readonly type?: string;
  readonly options?: readonly string[];
}

/** What makes a mount, wherever it is to be. */
export type MountRecipe = Omit<MountRequest, 'mountpoint'>;

/** What became of a mount. */
export interface MountOutcome {
  /** As `type` would name it, e.g. `bind`. */
  readonly kind: string;
  /** Those that hold. */
  readonly options: readonly string[];
  /** What was mounted. @default what the request names as its source */
  readonly source?: string;
  /** How many bytes it has, where that is known. */
  readonly bytes?: number | undefined;
  /**
   * What makes it once more in a daemon that follows. It stands on record for the next host: it holds no secrets.
   *
   * @default only the host that was asked for the mount can make it once more
   */
  readonly recipe?: MountRecipe | undefined;
}

/** What became of an unmount. */
export interface UnmountOutcome {
  /** True where the guest may still reach what was mounted: nobody can take that away but by the end of the daemon. */
  readonly guestMayHoldIt: boolean;
  /** How many bytes the guest has read of it, and how many reads failed, where that is known. */
  readonly bytesRead?: number;
  readonly failedReads?: number;
}

/** A directory served to one sandbox. Disposal closes it and waits until nothing of it is left. */
export interface Share extends AsyncDisposable {
  readonly tag: string;
  /** The vhost-user socket for the VMM. It accepts one client. */
  readonly socketPath: string;
  /** The socket of the daemon's API, where it has one. */
  readonly apiSocketPath?: string | undefined;
  readonly sharedDir: string;
  /** Entries of the request queue, for the VMM. */
  readonly queueSize: number;
  /** How long the guest may keep file data and names, where its provider has such modes. */
  readonly cache?: string | undefined;
  /** The daemon's; another one's after a respawn. */
  readonly pid: number;
  /**
   * Resolves when the daemon waits for its VMM; rejects with a DaemonError that says why it never will. After a respawn,
   * it is a promise of the next daemon.
   */
  readonly ready: Promise<void>;
  /** What follows when its daemon ends unasked. @default stop-sandbox */
  readonly onExit?: ExitPolicy;
  /** Resolves when the daemon has ended, whoever ended it, and none follows. */
  readonly closed: Promise<DaemonExit>;
  status(): ShareStatus;
  /**
   * Calls the listener after each change of the state or pid that `status()` tells, until disposal of what it returns.
   *
   * @default the host hears that it is ready and that it has ended, and of nothing between
   */
  onChange?(listener: () => void): Disposable;
}

/** How a call is given up. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** How a provider is asked for a mount. */
export interface PluginMountOptions extends CallOptions {
  /** Where something was mounted in this share and is no more: a guest may remember what it was. */
  readonly formerMountpoints: ReadonlySet<string>;
}

/**
 * What a plugin's `createProvider` returns: an object with the methods that the manifest's hooks name. These are the
 * usual names. A provider with a disposal of its own is disposed of with its profile.
 */
export interface Provider extends Partial<AsyncDisposable> {
  /**
   * The cache modes that a share can ask for; the host refuses all others.
   *
   * @default it has none: a share that asks for one is refused
   */
  readonly cacheModes?: readonly string[] | undefined;
  /** What it mounts where a request names no type, e.g. `bind`; for the spans also of mounts that fail. @default nobody knows */
  readonly mountKind?: string | undefined;
  openShare(request: ShareRequest, options: CallOptions): Promise<Share>;
  /**
   * Says what would keep it from opening these shares, but for what is not there yet: `check-config` asks.
   *
   * @default nothing is checked
   */
  check?(shares: readonly ShareWish[], options: CallOptions): Promise<void>;
  /**
   * Takes over a share that another host opened, from what is on record of it.
   *
   * @default a host leaves the share as it is: it can be seen and closed
   */
  adoptShare?(record: ShareRecord, options: CallOptions): Promise<Share>;
  /** @default the share's disposal */
  closeShare?(share: Share): Promise<void>;
  /** Leaves nothing where it rejects. @default of its outcome: the type and the options that were asked for */
  mount?(share: Share, request: MountRequest, options: PluginMountOptions): Promise<MountOutcome | void>;
  /**
   * Makes a mount once more, in a daemon that has followed the one that had it. Rejects with Unavailable where that one does
   * not answer: then no other mount is tried in it.
   *
   * @default what is mounted needs no daemon to be there, and is there when another one follows
   */
  remount?(share: Share, request: MountRequest, options: CallOptions): Promise<void>;
  /** Of what is not mounted it says that it is done. @default of its outcome: the guest may still hold it */
  unmount?(share: Share, mountpoint: string, options: CallOptions): Promise<UnmountOutcome | void>;
}

/** The events that a manifest can map to methods of its provider. */
export interface Hooks {
  'sandbox.create': Provider['openShare'];
  'sandbox.adopt': NonNullable<Provider['adoptShare']>;
  'sandbox.delete': NonNullable<Provider['closeShare']>;
  mount: NonNullable<Provider['mount']>;
  remount: NonNullable<Provider['remount']>;
  unmount: NonNullable<Provider['unmount']>;
}

/** What each hook answers. */
export interface HookResults {
  'sandbox.create': Share;
  'sandbox.adopt': Share;
  'sandbox.delete': void;
  mount: MountOutcome | void;
  remount: void;
  unmount: UnmountOutcome | void;
}

/** What a plugin gets from the host; there are no globals. */
export interface PluginContext<Config = unknown> {
  /** The plugin's table of the configuration, validated by the schema that it exports. */
  readonly config: Config;
  readonly log: Logger;
  /** The only way to a process. */
  readonly daemons: Pick<Daemons, 'start' | 'adopt' | 'ending'>;
  readonly stateDir: StateDirectory;
  /** The providers of the plugins that the manifest's `requires` names, by plugin name. */
  readonly required: ReadonlyMap<string, Provider>;
}

/** The export that a manifest's `provider` names; called once for each configuration that is in use. */
export type CreateProvider<Config = unknown> = (
  context: PluginContext<Config>,
) => Provider | Promise<Provider>;
