import type { SpanProcessor } from '@opentelemetry/sdk-trace';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { parseConfig, readConfig } from '../config/read.ts';
import type { Config, ConfigInput } from '../config/schema.ts';
import { createLauncher } from '../daemon/pool/launcher.ts';
import { createLogger } from '../tracing/log.ts';
import type { Share } from '../share/contract.ts';
import { openStateDirectory } from '../share/state-directory.ts';
import { startTracing } from '../tracing/export.ts';
import { lockFile } from '../proc/flock.ts';
import { createProfileCache, loadProfile, type Profile } from './profile.ts';
import type { ShareSpec } from './sandbox.ts';
import { createSandboxes, type Quit, type Sandboxes } from './sandboxes.ts';
import { createSlots } from '../daemon/pool/slots.ts';

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
  /** Runs once for each daemon that ended without being asked to. @default nothing but the log */
  readonly onQuit?: (quit: Quit) => void;
}

/** Loads plugins and keeps the sandboxes of a node. Disposal closes every share. */
export interface Host extends AsyncDisposable {
  readonly config: Config;
  readonly log: Logger;
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
  /** Creates a sandbox of one share, for library users: closing the share deletes the sandbox. */
  openShare(
    request: ShareSpec & { sandboxId: string; namespace?: string },
    options?: { signal?: AbortSignal },
  ): Promise<Share>;
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
  const { state } = options;
  const configFile = typeof options.config === 'string' ? options.config : '(options)';
  const config =
    typeof options.config === 'string'
      ? readConfig(options.config, { state })
      : parseConfig(options.config, { state });
  const log = options.log ?? createLogger(config.log.level);

  await using stack = new AsyncDisposableStack();
  const stateDir = openStateDirectory(config.state);
  stack.use(await lockFile(join(config.state, 'host.lock')));
  stack.use(await startTracing(config.trace, { log, spanProcessors: options.spanProcessors ?? [] }));
  const launcher = stack.use(createLauncher(stateDir.socketDirectory));
  const surroundings = { log, stateDir, daemons: createSlots(launcher) };
  const profile = await loadProfile(config, { ...surroundings, configFile });
  const sandboxes = createSandboxes({ profile, stateDir, log, onQuit: options.onQuit });
  const own = stack.move();

  return {
    config,
    log,
    profile,
    profileOf: createProfileCache(surroundings),
    sandboxes,
    async openShare({ sandboxId, namespace = 'default', ...spec }, { signal } = {}) {
      const request = { namespace, sandboxId, owner: 'library', contents: { shares: [spec] } } as const;
      const { shares } = await sandboxes.create(request, { signal });
      const [share] = shares as [Share];
      return { ...share, [Symbol.asyncDispose]: () => sandboxes.delete(namespace, sandboxId) };
    },
    async detach() {
      await sandboxes.detach();
      await own.disposeAsync();
    },
    async [Symbol.asyncDispose]() {
      await sandboxes[Symbol.asyncDispose]();
      await own.disposeAsync();
    },
  };
}
