import { readFile } from 'node:fs';
import { promisify } from 'node:util';
import { Code, StatusError } from 'containerd-shim-virtiofs/plugin';
import * as z from 'zod/mini';
import type { NydusConfig } from './config.ts';

type Settings = Pick<NydusConfig, 'registryAuthFile' | 'registryAuthEnv'>;

const entrySchema = z.object({
  auth: z.optional(z.string()),
  username: z.optional(z.string()),
  password: z.optional(z.string()),
});
/** Docker's config.json, which has more to say. */
const authsSchema = z.object({ auths: z._default(z.record(z.string(), entrySchema), {}) });

const registrySchema = z.looseObject({
  host: z.string(),
  auth: z.nullish(z.string()),
  registry_token: z.nullish(z.string()),
});
/** Where the two versions of nydusd's configuration name a registry. */
const imageConfigSchema = z.union([
  z.pipe(
    z.looseObject({ backend: z.looseObject({ type: z.literal('registry'), registry: registrySchema }) }),
    z.transform((config) => ({ config, registry: config.backend.registry })),
  ),
  z.pipe(
    z.looseObject({
      device: z.looseObject({
        backend: z.looseObject({ type: z.literal('registry'), config: registrySchema }),
      }),
    }),
    z.transform((config) => ({ config, registry: config.device.backend.config })),
  ),
]);

/** Host and port of the registry that an image's configuration names, where it names one. */
export const registryOf = (config: string): string | undefined =>
  imageConfigSchema.safeParse(jsonIn(config)).data?.registry.host;

/**
 * Adds the operator's credentials to an image's configuration, where its blobs are in a registry and it brings none of its
 * own. They go to nydusd in the body of a request, and nowhere else; errors never show a value.
 *
 * @throws StatusError InvalidArgument where the configuration is no JSON object, FailedPrecondition where the operator's
 *   credentials cannot be read
 */
export async function withCredentials(config: string, settings: Settings): Promise<string> {
  const parsed = jsonIn(config);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    const message = "The image's configuration is no JSON object: use nydusd's configuration";
    throw new StatusError(Code.InvalidArgument, message);
  }
  if (settings.registryAuthFile === undefined && settings.registryAuthEnv === undefined) return config;
  const image = imageConfigSchema.safeParse(parsed);
  if (!image.success || image.data.registry.auth || image.data.registry.registry_token) return config;
  const { config: completed, registry } = image.data;
  const auth = (await readAuths(settings)).get(registry.host);
  if (auth === undefined) return config;
  registry.auth = auth;
  return JSON.stringify(completed);
}

/** What nydusd wants of each registry: base64 of `user:password`. */
async function readAuths(settings: Settings): Promise<ReadonlyMap<string, string>> {
  const found = await readOperators(settings);
  if (!found) return new Map();
  const result = authsSchema.safeParse(jsonIn(found.text));
  if (!result.success) {
    const message = `Cannot use the registry credentials in ${found.where}: write them as Docker's config.json has them`;
    throw new StatusError(Code.FailedPrecondition, message);
  }
  return new Map(
    Object.entries(result.data.auths).flatMap(([server, { auth, username, password }]) => {
      const value =
        auth ??
        (username === undefined
          ? undefined
          : Buffer.from(`${username}:${password ?? ''}`).toString('base64'));
      return value === undefined ? [] : [[hostOf(server), value] as const];
    }),
  );
}

async function readOperators({
  registryAuthFile: file,
  registryAuthEnv: variable,
}: Settings): Promise<{ text: string; where: string } | undefined> {
  if (file !== undefined) {
    try {
      return { text: await promisify(readFile)(file, 'utf8'), where: `"${file}"` };
    } catch (cause) {
      const { code = 'unreadable' } = cause as NodeJS.ErrnoException;
      const message = `Cannot read the registry credentials "${file}" (${code}): correct nydus_registry_auth_file`;
      throw new StatusError(Code.FailedPrecondition, message, { cause });
    }
  }
  const text = variable === undefined ? undefined : process.env[variable];
  return text ? { text, where: `the variable "${variable}"` } : undefined;
}

/** Docker writes `https://registry.example/v1/` as well as `localhost:5000`. */
const hostOf = (server: string): string => server.replace(/^https?:\/\//, '').replace(/\/.*$/, '');

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
