import type { SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import { loadConfig, parseConfig } from '../config/read.ts';
import type { Config, ConfigInput } from '../config/schema.ts';
import { createDaemons } from '../daemon/pool/pool.ts';
import { ConfigError, messageOf } from '../errors.ts';
import { createTrash } from '../mount/trash.ts';
import type { Reserve } from '../proc/reserve.ts';
import { removeEmptyScratch, warnOfScratch } from '../share/scratch.ts';
import { openStateDirectory, type StateDirectory } from '../share/state-directory.ts';
import { startTracing } from '../tracing/export.ts';
import { createLogger } from '../tracing/log.ts';
import { carryOutDeletions } from './deletions.ts';
import { createShareEvents, type ShareEvents } from './events.ts';
import { keepLock } from './keep-lock.ts';
import { lockStateDirectory, type ShareLifetime } from './lock.ts';
import { reapLeftovers } from './leftovers.ts';
import { createJoinedShares, type JoinedShares, type OpenLibraryShare } from './joined-shares.ts';
import { createProfiles, loadProfile, type Profile } from './profile.ts';
import { reportStateLoss } from './state-loss.ts';
import { createSandboxes, type Quit, type Sandboxes } from './sandboxes.ts';

/** How often a reserve that was used is taken again, where there is room, in milliseconds. */
const RESERVE_MS = 10_000;

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
   * state directory ends those that outlive it.
   *
   * @default end-with-process
   */
  readonly shares?: ShareLifetime | undefined;
  /** Runs once for each daemon that ended without being asked to. @default nothing but the log */
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
  readonly sandboxes: Sandboxes;
  /**
   * Opens a share for library users. It joins the sandbox of that id; where there is none, it makes one, which is
   * deleted with the last of its shares.
   */
  readonly openShare: OpenLibraryShare;
  /** Opens and closes shares by their names, as the share service does. */
  readonly shares: JoinedShares;
  /** What happens to the shares of all sandboxes. */
  readonly events: ShareEvents;
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
  const stateDir = openState(config, configFile);
  stack.use(await keepLock(stateDir, { take: () => lockStateDirectory(stateDir, options.shares), log }));
  stack.defer(() => removeEmptyScratch(stateDir));
  stack.use(keepReserve(stateDir.reserve));
  warnOfScratch(stateDir, log);
  stack.use(await startTracing(config.trace, { log, spanProcessors: options.spanProcessors ?? [] }));
  const { socketDirectory } = stateDir;
  const daemons = stack.use(createDaemons({ log, socketDirectory, oomScoreAdj: config.daemonOomScoreAdj }));
  const trash = createTrash(stateDir.trashDirectories, { log });
  const pluginHost = { log, stateDir, daemons, trash };
  const profile = stack.use(await loadProfile(config, { ...pluginHost, configFile }));
  const profiles = stack.use(createProfiles(pluginHost));
  const { events, tell } = createShareEvents({ log });
  const sandboxes = createSandboxes({ profile, stateDir, trash, log, tell, onQuit: options.onQuit });
  const shares = createJoinedShares(sandboxes);
  const reaping = reapLeftovers({ stateDir, trash, log }, (...id) => sandboxes.reap(...id)).catch(
    (error: unknown) => log.error({ err: error }, 'Cannot look for what a dead host left'),
  );
  stack.defer(() => reaping);
  stack.use(carryOutDeletions({ stateDir, sandboxes, log }));
  stack.use(reportStateLoss({ stateDir, log }));
  trash.sweep();
  const own = stack.move();

  return {
    config,
    log,
    stateDir,
    profile,
    profileOf: (file) => profiles.load(file),
    sandboxes,
    openShare: (request, callOptions) => shares.open({ ...request, owner: 'library' }, callOptions),
    shares,
    events,
    async detach() {
      await sandboxes.detach();
      await own.disposeAsync();
    },
    async [Symbol.asyncDispose]() {
      await sandboxes[Symbol.asyncDispose]();
      await trash[Symbol.asyncDispose]();
      await own.disposeAsync();
    },
  };
}

function openState(config: Config, file: string): StateDirectory {
  try {
    return openStateDirectory(config.state, config);
  } catch (cause) {
    if (!(cause as NodeJS.ErrnoException).path?.startsWith(config.scratchDir)) throw cause;
    const message = `the directory cannot be made: name another one (${messageOf(cause)})`;
    throw new ConfigError({ file, key: 'scratch_dir', message, cause });
  }
}

/** Disposal gives it up. */
function keepReserve(reserve: Reserve): Disposable {
  reserve.hold();
  const timer = setInterval(() => reserve.hold(), RESERVE_MS).unref();
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      reserve.giveUp();
    },
  };
}
