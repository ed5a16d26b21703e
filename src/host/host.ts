import type { SpanProcessor } from '@opentelemetry/sdk-trace';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import { parseConfig, readConfig, type Config, type ConfigInput } from '../config.ts';
import { createLogger } from '../log.ts';
import type { MountRequest, Share } from '../share/provider.ts';
import { openStateDirectory } from '../share/state-directory.ts';
import { startTracing } from '../tracing-export.ts';
import { lockFile } from './lock.ts';
import { loadPlugins } from './plugins.ts';
import type { Sandbox, ShareSpec } from './sandbox.ts';
import { createSandboxes, type Quit, type Sandboxes } from './sandboxes.ts';

/** How a host is opened. */
export interface HostOptions {
  /** A configuration file, or the same settings as an object. */
  readonly config: string | ConfigInput;
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
  /** The `shared_fs` values that the loaded plugins provide, with the plugin's name. */
  readonly provided: ReadonlyMap<string, string>;
  readonly sandboxes: Sandboxes;
  /** Creates a sandbox of one share, for library users: closing the share deletes the sandbox. */
  openShare(
    request: ShareSpec & { sandboxId: string; namespace?: string },
    options?: { signal?: AbortSignal },
  ): Promise<Share>;
  /** @throws StatusError Unimplemented where the share's provider has no mounts */
  mount(sandbox: Sandbox, tag: string, request: MountRequest): Promise<void>;
  /** @throws StatusError Unimplemented where the share's provider has no mounts */
  unmount(sandbox: Sandbox, tag: string, mountpoint: string): Promise<void>;
  /** Ends the host but none of its shares: sends the last spans and gives up the lock. */
  detach(): Promise<void>;
}

/**
 * Opens a host: locks its state directory, starts tracing where it is configured, loads the plugins.
 *
 * @throws ConfigError, ManifestError; StatusError FailedPrecondition while another host has the state directory
 */
export async function openHost(options: HostOptions): Promise<Host> {
  const configFile = typeof options.config === 'string' ? options.config : '(options)';
  const config =
    typeof options.config === 'string' ? readConfig(options.config) : parseConfig(options.config);
  const log = options.log ?? createLogger(config.log.level);

  await using stack = new AsyncDisposableStack();
  const stateDir = openStateDirectory(config.state);
  stack.use(await lockFile(join(config.state, 'host.lock')));
  stack.use(await startTracing(config.trace, { log, spanProcessors: options.spanProcessors ?? [] }));
  const plugins = await loadPlugins(config, { configFile, log, stateDir });
  const sandboxes = createSandboxes({
    plugins,
    stateDir,
    sharedFs: config.shared_fs,
    log,
    onQuit: options.onQuit,
  });
  const own = stack.move();

  const callMount = async (
    hook: 'mount' | 'unmount',
    { sandbox, tag }: { sandbox: Sandbox; tag: string },
    request: MountRequest,
  ): Promise<void> => {
    const share = sandbox.shares.find((candidate) => candidate.tag === tag);
    if (!share) throw new StatusError(Code.NotFound, `Sandbox "${sandbox.sandboxId}" has no share "${tag}"`);
    await plugins.call(hook, share.sharedFs, { ...request, share });
  };

  return {
    config,
    log,
    provided: plugins.provided,
    sandboxes,
    async openShare({ sandboxId, namespace = 'default', ...spec }, { signal } = {}) {
      const request = { namespace, sandboxId, shares: [spec], owner: 'library' } as const;
      const { shares } = await sandboxes.create(request, { signal });
      const [share] = shares as [Share];
      return { ...share, [Symbol.asyncDispose]: () => sandboxes.delete(namespace, sandboxId) };
    },
    mount: (sandbox, tag, request) => callMount('mount', { sandbox, tag }, request),
    unmount: (sandbox, tag, mountpoint) => callMount('unmount', { sandbox, tag }, { source: '', mountpoint }),
    detach: () => own.disposeAsync(),
    async [Symbol.asyncDispose]() {
      await sandboxes[Symbol.asyncDispose]();
      await own.disposeAsync();
    },
  };
}
