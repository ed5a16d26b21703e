import type { Attributes } from '@opentelemetry/api';
import { Code, StatusError } from 'ttrpc-ts';
import { within } from '../../async/within.ts';
import type { Config } from '../../config/schema.ts';
import { hint, keyText } from '../../config/problems.ts';
import { ConfigError, messageOf } from '../../errors.ts';
import type {
  HookResults,
  Hooks,
  MountOutcome,
  PluginContext,
  Provider,
  UnmountOutcome,
} from '../../share/contract.ts';
import { withAttributes, withSpan } from '../../tracing/span.ts';
import { discoverPlugins } from './discover.ts';
import { loadPlugin, type LoadedPlugin } from './load.ts';
import type { Manifest } from './manifest.ts';
import { requireCacheMode } from './cache-mode.ts';
import { inPlugin } from './scope.ts';

/** The loaded plugins, by what they provide. Disposal is that of their providers. */
export interface Plugins extends AsyncDisposable {
  /** The `shared_fs` values that are provided, with their plugin's name. */
  readonly provided: ReadonlyMap<string, string>;
  /** True where a plugin provides `sharedFs` and has such a hook. */
  has(hook: keyof Hooks, sharedFs: string): boolean;
  /**
   * Calls the hook of the plugin that provides `sharedFs`, in a span of its own.
   *
   * @throws StatusError InvalidArgument where nobody provides it, Unimplemented where its plugin has no such hook
   */
  call<Name extends keyof Hooks>(
    hook: Name,
    sharedFs: string,
    ...args: Parameters<Hooks[Name]>
  ): Promise<HookResults[Name]>;
  /** What a mount of the plugin that provides `sharedFs` is, where its request does not say. */
  mountKind(sharedFs: string): string | undefined;
  /** @throws StatusError InvalidArgument for a cache mode that the provider of `sharedFs` does not have */
  requireCacheMode(sharedFs: string, share: { readonly tag: string; readonly cache: string }): void;
  /**
   * Asks the plugins that the configuration's shares need whether they could open them.
   *
   * @throws ConfigError naming the plugin's table
   */
  check(): Promise<void>;
}

/** What plugins get from their host besides their configuration. */
export interface PluginHost extends Pick<PluginContext, 'log' | 'stateDir' | 'daemons'> {
  /** Names the configuration in errors. */
  readonly configFile: string;
}

/** What a plugin does where its manifest maps no method to a hook. */
const DEFAULTS: Partial<Hooks> = {
  'sandbox.delete': async (share) => share[Symbol.asyncDispose](),
};

/**
 * Loads every plugin, in the order of what they require.
 *
 * @throws ConfigError: a host with a broken plugin does not start
 */
export async function loadPlugins(config: Config, host: PluginHost): Promise<Plugins> {
  await using stack = new AsyncDisposableStack();
  const loaded: LoadedPlugin[] = [];
  const manifests = await discoverPlugins(config.pluginDirs);
  requireKnownTables(config, manifests, host.configFile);
  for (const manifest of manifests) {
    const table = config.plugins[manifest.name];
    const context = contextOf(manifest, loaded, host);
    // oxlint-disable-next-line no-await-in-loop -- a plugin gets the providers that it requires
    loaded.push(
      stack.use(
        await loadPlugin(manifest, {
          table,
          configFile: host.configFile,
          context,
          timeoutMs: config.pluginTimeoutMs,
        }),
      ),
    );
    host.log.debug({ plugin: manifest.name, file: manifest.file }, 'Loaded plugin');
  }
  const bySharedFs = new Map(
    loaded.flatMap((plugin) => plugin.manifest.provides.map((value) => [value, plugin])),
  );
  const known = [...bySharedFs.keys()];
  if (!bySharedFs.has(config.sharedFs)) {
    const message = notProvided(config.sharedFs, known);
    throw new ConfigError({ file: host.configFile, key: 'shared_fs', message });
  }
  const own = stack.move();
  const sharedFsOf = ({ sharedFs = config.sharedFs }: { sharedFs?: string | undefined }): string => sharedFs;
  return {
    provided: new Map([...bySharedFs].map(([value, { manifest }]) => [value, manifest.name])),
    has: (hook, sharedFs) => bySharedFs.get(sharedFs)?.hooks[hook] !== undefined,
    async call(hook, sharedFs, ...args) {
      const plugin = bySharedFs.get(sharedFs);
      if (!plugin) throw new StatusError(Code.InvalidArgument, notProvided(sharedFs, known));
      return callHook(plugin, hook, args);
    },
    mountKind: (sharedFs) => bySharedFs.get(sharedFs)?.provider.mountKind,
    requireCacheMode(sharedFs, share) {
      const plugin = bySharedFs.get(sharedFs);
      // Of what nobody provides, the hook's call says so.
      if (plugin) requireCacheMode(plugin.provider, { ...share, sharedFs });
    },
    async check() {
      for (const sharedFs of new Set([config.sharedFs, ...config.shares.map(sharedFsOf)])) {
        const plugin = bySharedFs.get(sharedFs);
        const shares = config.shares.filter((share) => sharedFsOf(share) === sharedFs);
        // oxlint-disable-next-line no-await-in-loop -- the first mistake is told
        await checkPlugin(plugin, { sharedFs, shares, known, config, configFile: host.configFile });
      }
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

async function checkPlugin(
  plugin: LoadedPlugin | undefined,
  options: {
    sharedFs: string;
    shares: Config['shares'];
    known: readonly string[];
    config: Config;
    configFile: string;
  },
): Promise<void> {
  const { sharedFs, shares, known, config, configFile: file } = options;
  if (!plugin) throw new ConfigError({ file, key: 'shares', message: notProvided(sharedFs, known) });
  try {
    for (const { tag, cache } of shares)
      if (cache !== undefined) requireCacheMode(plugin.provider, { tag, cache, sharedFs });
    const { pluginTimeoutMs: timeoutMs } = config;
    const checking = Promise.try(async () => plugin.provider.check?.(shares, {}));
    await within(timeoutMs, checking, () => new Error(`did not finish checking within ${timeoutMs} ms`));
  } catch (cause) {
    throw new ConfigError({
      file,
      key: keyText(['plugins', plugin.manifest.name]),
      message: messageOf(cause),
      cause,
    });
  }
}

async function callHook<Name extends keyof Hooks>(
  { manifest, hooks }: LoadedPlugin,
  hook: Name,
  args: Parameters<Hooks[Name]>,
): Promise<HookResults[Name]> {
  const run = (hooks[hook] ?? DEFAULTS[hook]) as
    | ((...args: unknown[]) => Promise<HookResults[Name]>)
    | undefined;
  if (!run) throw new StatusError(Code.Unimplemented, `Plugin "${manifest.name}" implements no "${hook}"`);
  const attributes = { 'plugin.id': manifest.name };
  return withAttributes({ subsystem: manifest.id }, () =>
    withSpan(hook, attributes, async (span) => {
      const result = await inPlugin(manifest.name, () => run(...args));
      span.setAttributes(outcomeAttributes(result));
      return result;
    }),
  );
}

/** What only its end tells of a mount. */
function outcomeAttributes(result: HookResults[keyof Hooks] | null): Attributes {
  if (typeof result !== 'object' || result === null) return {};
  if ('guestMayHoldIt' in result) return unmountAttributes(result);
  return 'kind' in result ? mountAttributes(result) : {};
}

const mountAttributes = ({ kind, options, source, bytes }: MountOutcome): Attributes => ({
  'mount.kind': kind,
  'mount.options': options.join(','),
  ...(source === undefined ? {} : { 'mount.source': source }),
  ...(bytes === undefined ? {} : { 'mount.bytes': bytes }),
});

const unmountAttributes = ({ guestMayHoldIt, bytesRead, failedReads }: UnmountOutcome): Attributes => ({
  'mount.guest_may_hold_it': guestMayHoldIt,
  ...(bytesRead === undefined ? {} : { 'mount.bytes_read': bytesRead }),
  ...(failedReads === undefined ? {} : { 'mount.failed_reads': failedReads }),
});

function contextOf(
  manifest: Manifest,
  loaded: readonly LoadedPlugin[],
  { log, stateDir, daemons }: PluginHost,
): Omit<PluginContext, 'config'> {
  const isRequired = ({ manifest: other }: LoadedPlugin): boolean =>
    manifest.requires.includes(other.name) || manifest.requires.includes(other.type);
  const required = new Map<string, Provider>(
    loaded.filter(isRequired).map((plugin) => [plugin.manifest.name, plugin.provider]),
  );
  return { log: log.child({ plugin: manifest.name }), stateDir, daemons, required };
}

function requireKnownTables(config: Config, manifests: readonly Manifest[], configFile: string): void {
  const names = manifests.map(({ name }) => name);
  for (const name of Object.keys(config.plugins)) {
    if (names.includes(name)) continue;
    const message = `no such plugin${hint(name, names)}`;
    throw new ConfigError({ file: configFile, key: keyText(['plugins', name]), message });
  }
}

const notProvided = (value: string, known: readonly string[]): string =>
  `No plugin provides "${value}"${hint(value, known)}`;
