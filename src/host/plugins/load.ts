import { pathToFileURL } from 'node:url';
import { ConfigError, messageOf } from '../../errors.ts';
import type { Hooks } from '../../share/contract.ts';
import { problemsOf, type Issue } from '../../config/problems.ts';
import type { Manifest } from './manifest.ts';
import { provideLibrary } from './provide-library.ts';

/** A plugin whose module is loaded and whose exports are what its manifest says. */
export interface LoadedPlugin {
  readonly manifest: Manifest;
  readonly hooks: Partial<Hooks> & Pick<Hooks, 'sandbox.create' | 'sandbox.delete'>;
  /** Its validated table of the configuration. */
  readonly config: unknown;
}

/**
 * Loads a plugin's module, binds its hooks and validates its configuration with the schema that it exports.
 *
 * @throws ConfigError when the module does not load, an export is missing, or its table of the configuration is wrong
 */
export async function loadPlugin(
  manifest: Manifest,
  table: unknown,
  configFile: string,
): Promise<LoadedPlugin> {
  provideLibrary();
  let exports: Record<string, unknown>;
  try {
    exports = (await import(pathToFileURL(manifest.entryPath).href)) as Record<string, unknown>;
  } catch (cause) {
    const message = `"${manifest.entry}" does not load: ${messageOf(cause)}`;
    throw new ConfigError({ kind: 'manifest', file: manifest.file, key: 'entry', message, cause });
  }
  const hooks = Object.fromEntries(
    (Object.entries(manifest.hooks) as [string, string][]).map(([hook, name]) => {
      const value = exports[name];
      if (typeof value !== 'function')
        throw missingExport(manifest, `hooks.${JSON.stringify(hook)}`, name, 'function');
      return [hook, value];
    }),
  );
  return {
    manifest,
    hooks: hooks as unknown as LoadedPlugin['hooks'],
    config: await validateConfig(manifest, exports, table, configFile),
  };
}

async function validateConfig(
  manifest: Manifest,
  exports: Record<string, unknown>,
  table: unknown,
  configFile: string,
): Promise<unknown> {
  const key = `plugins.${JSON.stringify(manifest.name)}`;
  if (!manifest.config) {
    if (table === undefined) return {};
    throw new ConfigError({
      file: configFile,
      key,
      message: 'this plugin has no configuration: remove the table',
    });
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

const missingExport = (manifest: Manifest, key: string, name: string, what: string): ConfigError =>
  new ConfigError({
    kind: 'manifest',
    file: manifest.file,
    key,
    message: `"${manifest.entry}" exports no ${what} "${name}"`,
  });
