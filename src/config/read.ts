import { resolve } from 'node:path';
import { ConfigError, messageOf } from '../errors.ts';
import { readForeign, readRegularFile } from '../foreign/read.ts';
import { DEFAULT_STATE } from './default-state.ts';
import { problemsOf } from './problems.ts';
import { parseToml } from './toml.ts';
import { configSchema, stateSchema, type Config } from './schema.ts';
import type { z } from './zod-mini.ts';

/** What a configuration is read with. */
export interface ReadConfigOptions {
  /** The state directory that the host is given. @default the configuration's own */
  readonly state?: string | undefined;
}

/**
 * Reads a configuration file.
 *
 * @throws ConfigError naming the file and the key, for an unreadable file, a TOML mistake, an unknown key, a wrong
 *   type, another state directory than the given one
 */
export function readConfig(file: string, options: ReadConfigOptions = {}): Config {
  let input: unknown;
  try {
    input = parseToml(readRegularFile(file).toString());
  } catch (cause) {
    throw unreadable(file, cause);
  }
  return parseConfig(input, { ...options, file });
}

/** {@link readConfig} for a file that may stand on a file system that hangs. */
export async function loadConfig(file: string, options: ReadConfigOptions = {}): Promise<Config> {
  let input: unknown;
  try {
    input = parseToml((await readForeign(file)).toString());
  } catch (cause) {
    throw unreadable(file, cause);
  }
  return parseConfig(input, { ...options, file });
}

function unreadable(file: string, cause: unknown): ConfigError {
  const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
  return new ConfigError({
    file,
    message: isMissing ? 'there is no such file: create it' : messageOf(cause),
    cause,
  });
}

/**
 * Completes and checks a configuration; `file` names it in errors.
 *
 * @throws ConfigError naming the file and the key
 */
export function parseConfig(
  input: unknown,
  { file = '(options)', state }: ReadConfigOptions & { readonly file?: string } = {},
): Config {
  const config = validate(configSchema, input, { file });
  if (state === undefined) return { ...config, state: resolve(config.state ?? DEFAULT_STATE) };
  const given = resolve(validate(stateSchema, state, { file: '(options)', prefix: ['state'] }));
  const own = resolve(config.state ?? given);
  if (own === given) return { ...config, state: given };
  const message =
    `"${own}" is not the state directory "${given}" that this host is given: remove the key, ` +
    `or give the host "${own}" (--state, CONTAINERD_SHIM_VIRTIOFS_STATE)`;
  throw new ConfigError({ file, key: 'state', message });
}

function validate<Schema extends z.ZodMiniType>(
  schema: Schema,
  input: unknown,
  { file, prefix = [] }: { file: string; prefix?: readonly string[] },
): z.output<Schema> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const problems = problemsOf(schema, result.error.issues, prefix);
  // The keys of a file that is none of ours are nobody's business.
  const problem = problems.find(({ key }) => key === 'version') ?? problems[0];
  throw new ConfigError({ file, message: 'is not valid', ...problem });
}
