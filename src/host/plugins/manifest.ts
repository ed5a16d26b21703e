import { dirname, join, sep } from 'node:path';
import { ConfigError, messageOf } from '../../errors.ts';
import { readForeign } from '../../foreign/read.ts';
import { realpathForeign } from '../../foreign/realpath.ts';
import { problemsOf } from '../../config/problems.ts';
import { parseToml } from '../../config/toml.ts';
import { z } from '../../config/zod-mini.ts';

/** The one type of plugin there is: a provider of file-system shares. */
export const PLUGIN_TYPE = 'io.containerd.fsshare.v1';

const text = z.string().check(z.minLength(1));
const word = z
  .string()
  .check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'use letters, digits, ".", "_" and "-"'));

const manifestSchema = z.strictObject({
  manifest_version: z.literal(1),
  type: z.literal(PLUGIN_TYPE),
  id: word.check(z.regex(/^[^.]*$/, 'use no "."')),
  version: text,
  entry: text,
  requires: z._default(z.array(word), []),
  provides: z.array(word).check(z.minLength(1)),
  provider: text,
  hooks: z.strictObject({
    'sandbox.create': text,
    'sandbox.adopt': z.optional(text),
    'sandbox.delete': z.optional(text),
    mount: z.optional(text),
    remount: z.optional(text),
    unmount: z.optional(text),
  }),
  config: z.optional(z.strictObject({ schema: text })),
});

/** A plugin as its manifest describes it. */
export interface Manifest extends Readonly<z.output<typeof manifestSchema>> {
  /** Absolute path of the manifest. */
  readonly file: string;
  /** Absolute path of its module. */
  readonly entryPath: string;
  /** `type.id`: its name in the configuration and in `requires`. */
  readonly name: string;
}

/**
 * Reads a plugin's manifest.
 *
 * @throws ConfigError naming file and key
 */
export async function readManifest(file: string): Promise<Manifest> {
  let content: unknown;
  try {
    content = parseToml((await readForeign(file)).toString());
  } catch (cause) {
    throw new ConfigError({ kind: 'manifest', file, message: messageOf(cause), cause });
  }
  const result = manifestSchema.safeParse(content);
  if (!result.success) {
    const problems = problemsOf(manifestSchema, result.error.issues);
    // The keys of a file that is no manifest are nobody's business.
    const problem = problems.find(({ key }) => key === 'manifest_version') ?? problems[0];
    throw new ConfigError({ kind: 'manifest', file, message: 'is not a manifest', ...problem });
  }
  const manifest = result.data;
  return {
    ...manifest,
    file,
    entryPath: await entryInside(file, manifest.entry),
    name: `${manifest.type}.${manifest.id}`,
  };
}

/** A manifest must not load code from elsewhere, by `..`, an absolute path or a link. */
async function entryInside(file: string, entry: string): Promise<string> {
  const folder = await realpathForeign(dirname(file));
  let path: string;
  try {
    path = await realpathForeign(join(folder, entry));
  } catch (cause) {
    const message = `"${entry}" does not exist in ${folder}`;
    throw new ConfigError({ kind: 'manifest', file, key: 'entry', message, cause });
  }
  if (path.startsWith(folder + sep)) return path;
  throw new ConfigError({
    kind: 'manifest',
    file,
    key: 'entry',
    message: `"${entry}" is outside ${folder}: a plugin's module stands beside its manifest`,
  });
}
