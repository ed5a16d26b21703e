import { pathToFileURL } from 'node:url';
import { within } from '../../async/within.ts';
import { ConfigError, messageOf } from '../../errors.ts';
import type { Hooks, PluginContext, Provider } from '../../share/contract.ts';
import { keyText, problemsOf, type Issue } from '../../config/problems.ts';
import type { Manifest } from './manifest.ts';
import { provideLibrary } from './provide-library.ts';
import { inPlugin } from './scope.ts';

/** A plugin whose module is loaded and whose provider stands. Disposal is the provider's. */
export interface LoadedPlugin extends AsyncDisposable {
  readonly manifest: Manifest;
  readonly provider: Provider;
  /** The provider's methods, by hook. */
  readonly hooks: Partial<Hooks>;
}

/**
 * Loads a plugin's module, validates its configuration with the schema that it exports, and creates its provider.
 *
 * @throws ConfigError when the module does not load, an export or a method is missing, or its table of the
 *   configuration is wrong, or where all this is not done within the limit
 */
export function loadPlugin(manifest: Manifest, options: LoadOptions): Promise<LoadedPlugin> {
  const { timeoutMs } = options;
  const loading = inPlugin(manifest.name, () => load(manifest, options));
  return within(timeoutMs, loading, () => {
    const message = `"${manifest.entry}" did not finish loading within ${timeoutMs} ms: mend it, or raise plugin_timeout_ms`;
    return new ConfigError({ kind: 'manifest', file: manifest.file, key: 'entry', message });
  });
}

/** What a plugin is loaded with. */
export interface LoadOptions {
  /** Its table of the configuration. */
  readonly table: unknown;
  readonly configFile: string;
  readonly context: Omit<PluginContext, 'config'>;
  /** How long loading may take, and the provider's disposal. */
  readonly timeoutMs: number;
}

async function load(manifest: Manifest, options: LoadOptions): Promise<LoadedPlugin> {
  const exports = await importEntry(manifest);
  const config = await validateConfig(manifest, exports, options);
  const create = exports[manifest.provider];
  if (typeof create !== 'function') throw missingExport(manifest, 'provider', manifest.provider, 'function');
  const provider = (await create({ ...options.context, config })) as Provider;
  return {
    manifest,
    provider,
    hooks: bindHooks(manifest, provider),
    [Symbol.asyncDispose]: () => inPlugin(manifest.name, () => dispose(provider, options)),
  };
}

/** Where it fails or takes for ever, the host goes on without it. */
async function dispose(provider: Provider, { context, timeoutMs }: LoadOptions): Promise<void> {
  const disposing = Promise.try(async () => provider[Symbol.asyncDispose]?.());
  const late = (): Error => new Error(`not done within ${timeoutMs} ms`);
  await within(timeoutMs, disposing, late).catch((error: unknown) =>
    context.log.error({ err: error }, 'Cannot dispose of the provider'),
  );
}

async function importEntry(manifest: Manifest): Promise<Record<string, unknown>> {
  provideLibrary();
  try {
    return (await import(pathToFileURL(manifest.entryPath).href)) as Record<string, unknown>;
  } catch (cause) {
    const message = `"${manifest.entry}" does not load: ${messageOf(cause)}`;
    throw new ConfigError({ kind: 'manifest', file: manifest.file, key: 'entry', message, cause });
  }
}

function bindHooks(manifest: Manifest, provider: Provider): Partial<Hooks> {
  const methods = Object(provider) as Record<string, unknown>;
  const hooks = (Object.entries(manifest.hooks) as [string, string][]).map(([hook, name]) => {
    const method = methods[name];
    if (typeof method === 'function') return [hook, method.bind(provider) as unknown];
    const key = keyText(['hooks', hook]);
    const message = `what "${manifest.provider}" returns has no method "${name}"`;
    throw new ConfigError({ kind: 'manifest', file: manifest.file, key, message });
  });
  return Object.fromEntries(hooks) as Partial<Hooks>;
}

async function validateConfig(
  manifest: Manifest,
  exports: Record<string, unknown>,
  { table, configFile }: { table: unknown; configFile: string },
): Promise<unknown> {
  const key = keyText(['plugins', manifest.name]);
  if (!manifest.config) {
    if (table === undefined) return {};
    const message = 'this plugin has no configuration: remove the table';
    throw new ConfigError({ file: configFile, key, message });
  }
  const schema = exports[manifest.config.schema];
  if (!isSchema(schema))
    throw missingExport(manifest, 'config.schema', manifest.config.schema, 'Standard Schema');
  const result = await schema['~standard'].validate(table ?? {});
  if (!result.issues) return result.value;
  const [problem] = problemsOf(schema, result.issues, ['plugins', manifest.name]);
  throw new ConfigError({ file: configFile, key, message: 'is not valid', ...problem });
}

/** What zod, valibot, arktype and others have in common: https://standardschema.dev. */
interface StandardSchema {
  readonly '~standard': { validate(value: unknown): Validation | Promise<Validation> };
}

type Validation = { readonly value?: unknown; readonly issues?: readonly Issue[] | undefined };

const isSchema = (value: unknown): value is StandardSchema =>
  (typeof value === 'object' || typeof value === 'function') && value !== null && '~standard' in value;

const missingExport = (manifest: Manifest, key: string, name: string, what: string): ConfigError => {
  const message = `"${manifest.entry}" exports no ${what} "${name}"`;
  return new ConfigError({ kind: 'manifest', file: manifest.file, key, message });
};
