import type { SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import type { StatusError } from 'ttrpc-ts';
import { singleFlight } from '../async/single-flight.ts';
import { loadConfig, parseConfig } from '../config/read.ts';
import type { Config, ConfigInput } from '../config/schema.ts';
import { createDaemons } from '../daemon/pool/pool.ts';
import { ConfigError, messageOf } from '../errors.ts';
import type { Lock } from '../proc/flock.ts';
import { makeFolders, openStateDirectory, type StateDirectory } from '../share/state-directory.ts';
import { startTracing } from '../tracing/export.ts';
import { createLogger } from '../tracing/log.ts';
import { carryOutDeletions } from './deletions.ts';
import { createShareEvents, type ShareEvents } from './events.ts';
import { keepFiles } from './keep-files.ts';
import { holdState } from './hold-state.ts';
import type { KeptLock } from './keep-lock.ts';
import { lockStateDirectory, type ShareLifetime, type TakeOver } from './lock.ts';
import { createJoinedShares, type JoinedShares, type OpenLibraryShare } from './joined-shares.ts';
import { createProfiles, loadProfile, type Profile, type Profiles } from './profile.ts';
import { reportStateLoss } from './state-loss.ts';
import { createContainers } from './containers.ts';
import type { Containers, Quit, Sandboxes } from './contract.ts';
import { createSandboxEvents, type SandboxEvents } from './sandbox-events.ts';
import { createSandboxes } from './sandboxes.ts';

/** How a host is opened. */
export interface HostOptions {
  /** A configuration file, or the same settings as an object with the file's own keys. */
  readonly config: string | ConfigInput;
  /** The state directory. @default the configuration's, else /run/containerd-shim-virtiofs */
  readonly state?: string | undefined;
  /** @default JSON lines on standard error, at the configured level */
  readonly log?: Logger;
  /** Get every span of this host, besides the configured collector. @default none */
  readonly spanProcessors?: readonly SpanProcessor[];
  /**
   * What becomes of the shares when this process ends without closing the host, however it ends. The next host of the
   * state directory adopts those that outlive it.
   *
   * @default end-with-process
   */
  readonly shares?: ShareLifetime | undefined;
  /**
   * Gets the state directory from another host that has it. It is called when all is loaded, and nothing of the state was
   * touched: that host goes on where it throws.
   *
   * @default a host is not opened while another one has its state directory
   */
  readonly takeOver?: TakeOver | undefined;
  /** Runs once for each daemon that ended without being asked to and is not replaced. @default nothing but the log */
  readonly onQuit?: (quit: Quit) => void;
}

/** Loads plugins and keeps the sandboxes of a node. Disposal closes every share. */
export interface Host extends AsyncDisposable {
  readonly config: Config;
  readonly log: Logger;
  readonly stateDir: StateDirectory;
  /** The host's own plugins, providers and shares. */
  readonly profile: Profile;
  /**
   * Loads the configuration file of a single sandbox. What it says of the host itself (state, ttrpc, trace, log) is
   * the host's own file's to say.
   *
   * @throws ConfigError
   */
  profileOf(file: string): Promise<Profile>;
  /** With those that another host left, once they are {@link adopted}. */
  readonly sandboxes: Sandboxes;
  /**
   * Resolves when all that another host left is adopted or ended. What asks for a sandbox waits by itself until that one
   * is; only what looks at all of them has to wait for this.
   */
  readonly adopted: Promise<void>;
  /**
   * Opens a share for library users. It joins the sandbox of that id; where there is none, it makes one, which is
   * deleted with the last of its shares.
   */
  readonly openShare: OpenLibraryShare;
  /** Opens and closes shares by their names, as the share service does. */
  readonly shares: JoinedShares;
  /** Those whose root file systems are mounted in shares. */
  readonly containers: Containers;
  /** What happens to the shares of all sandboxes. */
  readonly events: ShareEvents;
  /** What happens to the sandboxes themselves. */
  readonly sandboxEvents: SandboxEvents;
  /**
   * Resolves to the reason when another host has taken the state directory, because the holder of this one's lock was
   * killed or its file removed. This host then refuses shares with FailedPrecondition, touches nothing in the state
   * directory, and its disposal leaves its shares to the other one.
   */
  readonly lost: Promise<StatusError>;
  /**
   * Ends the host but none of its shares: cancels what is being created, sends the last spans and gives up the lock.
   * The daemons are still this process's children; `process.exit()` ends it without them.
   */
  detach(): Promise<void>;
}

/**
 * Opens a host: locks its state directory, starts tracing where it is configured, loads the plugins.
 *
 * @throws ConfigError; StatusError FailedPrecondition while another host has the state directory
 */
export async function openHost(options: HostOptions): Promise<Host> {
  const configFile = typeof options.config === 'string' ? options.config : '(options)';
  const { state } = options;
  const config =
    typeof options.config === 'string'
      ? await loadConfig(options.config, { state })
      : parseConfig(options.config, { state });
  const log = options.log ?? createLogger(config.log.level);

  await using stack = new AsyncDisposableStack();
  const stateDir = openState(config, { file: configFile, log });
  // In this order, whatever the order of their beginning: the last spans are sent when the next host has the lock.
  const tracing = stack.use(new AsyncDisposableStack());
  const holding = stack.use(new AsyncDisposableStack());
  const lock = ({ waitMs }: { waitMs?: number } = {}): Promise<Lock> =>
    lockStateDirectory(stateDir, { shares: options.shares, waitMs });
  const { takeOver } = options;
  const check = (): Promise<void> => profile.plugins.check();
  const hold = async (): Promise<KeptLock> => {
    const first = await (takeOver ? takeOver({ stateDir, config, log, check, lock }) : lock());
    return holding.use(await holdState(stateDir, first, { take: lock, log }));
  };
  const held = takeOver ? undefined : await hold();
  tracing.use(await startTracing(config.trace, { log, spanProcessors: options.spanProcessors ?? [] }));
  const { socketDirectory } = stateDir;
  const daemons = stack.use(createDaemons({ log, socketDirectory, oomScoreAdj: config.daemonOomScoreAdj }));
  const pluginHost = { log, stateDir, daemons };
  const profile = stack.use(await loadProfile(config, { ...pluginHost, configFile }));
  const { lost } = held ?? (await hold());
  const profiles = stack.use(createProfiles(pluginHost));
  const { events, tell } = createShareEvents({ log });
  const { events: sandboxEvents, tell: tellSandbox } = createSandboxEvents({ log });
  const sandboxes = createSandboxes({
    profile,
    profileOf: (name) => profileOnRecord(name, { profile, profiles, log }),
    stateDir,
    daemons,
    log,
    tell,
    tellSandbox,
    outliveHost: options.shares === 'outlive-process',
    onQuit: options.onQuit,
  });
  const adopted = sandboxes
    .takeOver()
    .catch((error: unknown) => log.error({ err: error }, 'Cannot look for what a dead host left'));
  stack.defer(() => adopted);
  const shares = createJoinedShares(sandboxes);
  stack.use(keepFolders(stateDir, log));
  const containers = createContainers({
    sandboxes,
    ownsSharedDirectory: (path) => stateDir.ownsSharedDirectory(path),
  });
  stack.use(carryOutDeletions({ stateDir, sandboxes, containers, adopted, log }));
  stack.use(reportStateLoss({ stateDir, log }));
  stateDir.trash.sweep();
  const own = stack.move();

  return {
    config,
    log,
    stateDir,
    profile,
    profileOf: (file) => profiles.load(file),
    sandboxes,
    adopted,
    lost,
    openShare: (request, callOptions) => shares.open({ ...request, owner: 'library' }, callOptions),
    shares,
    containers,
    events,
    sandboxEvents,
    async detach() {
      await sandboxes.detach();
      await own.disposeAsync();
    },
    // A stack that is disposed of twice waits but once.
    [Symbol.asyncDispose]: singleFlight(async () => {
      if (stateDir.isLost) await sandboxes.detach();
      else await sandboxes[Symbol.asyncDispose]();
      await stateDir.trash[Symbol.asyncDispose]();
      await own.disposeAsync();
    }),
  };
}

function openState(config: Config, { file, log }: { file: string; log: Logger }): StateDirectory {
  try {
    return openStateDirectory(config.state, { ...config, log });
  } catch (cause) {
    if (!(cause as NodeJS.ErrnoException).path?.startsWith(config.scratchDir)) throw cause;
    const message = `the directory cannot be made: name another one (${messageOf(cause)})`;
    throw new ConfigError({ file, key: 'scratch_dir', message, cause });
  }
}

/** The configuration that held for a share when it was opened; where it is gone, the host's own. */
async function profileOnRecord(
  name: string,
  { profile, profiles, log }: { profile: Profile; profiles: Profiles; log: Logger },
): Promise<Profile> {
  if (name === profile.name) return profile;
  return profiles.load(name).catch((error: unknown) => {
    log.warn(
      { file: name, err: error },
      'The configuration of a share is gone; it is adopted under the own one',
    );
    return profile;
  });
}

/** A lost state is another host's. */
function keepFolders(stateDir: StateDirectory, log: Logger): Disposable {
  const folders = (): readonly string[] => (stateDir.isInPlace() ? stateDir.folders : []);
  return keepFiles(folders, { restore: makeFolders, log });
}
