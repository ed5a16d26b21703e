import type { Tracer } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { Daemon, DaemonExit, DaemonState } from '../daemon/daemon.ts';
import type { Launcher } from '../daemon/pool/launcher.ts';
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
  /** Which provider serves it, e.g. `virtio-fs`. */
  readonly sharedFs: string;
  /** Who asked; a later host decides by it who may adopt the share. */
  readonly owner: ShareOwner;
}

/** On whose behalf a share was opened. */
export type ShareOwner = 'shim' | 'controller' | 'api' | 'library';

/** A snapshot of a share for a person or a monitor. */
export interface ShareStatus {
  readonly tag: string;
  readonly state: DaemonState;
  readonly pid: number;
  readonly socketPath: string;
  readonly sharedDir: string;
  readonly queueSize: number;
  readonly lastLines: readonly string[];
}

/** What to mount under a share's directory; the provider defines `config`. */
export interface MountRequest {
  readonly source: string;
  readonly mountpoint: string;
  readonly config?: string;
}

/** A directory served to one sandbox. Disposal closes it and waits until nothing of it is left. */
export interface Share extends AsyncDisposable {
  readonly tag: string;
  /** Which provider serves it. */
  readonly sharedFs: string;
  /** The vhost-user socket for the VMM. It accepts one client. */
  readonly socketPath: string;
  readonly sharedDir: string;
  /** Entries of the request queue, for the VMM. */
  readonly queueSize: number;
  readonly pid: number;
  /** Resolves when the daemon waits for its VMM; rejects with a DaemonError that says why it never will. */
  readonly ready: Promise<void>;
  /** Resolves when the daemon has ended, whoever ended it. */
  readonly closed: Promise<DaemonExit>;
  status(): ShareStatus;
  /** @throws StatusError Unimplemented where the provider has no mounts */
  mount(request: MountRequest): Promise<void>;
  /** @throws StatusError Unimplemented where the provider has no mounts */
  unmount(mountpoint: string): Promise<void>;
}

/** Opens shares of one kind. Its only callers are a plugin's hooks. */
export interface Provider {
  openShare(request: ShareRequest, options: { signal?: AbortSignal | undefined }): Promise<Share>;
}

/** What a plugin gets from the host; there are no globals. */
export interface PluginContext<Config = unknown> {
  /** The plugin's table of the configuration, validated by the schema that it exports. */
  readonly config: Config;
  readonly log: Logger;
  readonly tracer: Tracer;
  /** Limits how many daemons start at a time on this host. */
  readonly daemons: DaemonSlots;
  readonly stateDir: StateDirectory;
}

/**
 * Calls `start` when a slot is free, and holds the slot until that daemon is ready or has failed. Where `signal` aborts
 * before, it rejects with its reason and never calls.
 */
export type DaemonSlots = (
  start: (launcher?: Launcher) => Promise<Daemon>,
  options?: { signal?: AbortSignal | undefined },
) => Promise<Daemon>;

/** What the host asks of a `sandbox.create` hook: open this share. */
export interface CreateRequest {
  readonly share: ShareRequest;
  readonly signal?: AbortSignal | undefined;
}

/** What the host asks of a `sandbox.delete` hook: close this share, which its create hook opened. */
export interface DeleteRequest {
  readonly share: Share;
}

/** What the host asks of a `mount` or `unmount` hook. */
export interface MountHookRequest extends MountRequest {
  readonly share: Share;
}

/** The hooks that a manifest can map to exports of its module. */
export interface Hooks<Config = unknown> {
  'sandbox.create': (context: PluginContext<Config>, request: CreateRequest) => Promise<Share>;
  'sandbox.delete': (context: PluginContext<Config>, request: DeleteRequest) => Promise<void>;
  mount: (context: PluginContext<Config>, request: MountHookRequest) => Promise<void>;
  unmount: (context: PluginContext<Config>, request: MountHookRequest) => Promise<void>;
}
