import { MAX_SOCKET_PATH_BYTES } from 'ttrpc-ts';
import { camelKeys } from './camel-case.ts';
import { DEFAULT_STATE } from './default-state.ts';
import { z } from './zod-mini.ts';

const absolutePath = z.string().check(z.startsWith('/', 'use an absolute path'));

/** Where the directories of shares without a source stand unless the configuration says otherwise. */
export const DEFAULT_SCRATCH_DIR = '/var/lib/containerd-shim-virtiofs/scratch';

/** Where containerd serves ttrpc unless its configuration says otherwise. */
export const DEFAULT_TTRPC_ADDRESS = '/run/containerd/containerd.sock.ttrpc';

/** The sockets in it are called `s/<16 hex>.sock`. */
const MAX_STATE_BYTES: number = MAX_SOCKET_PATH_BYTES - '/s/0123456789abcdef.sock'.length;

/** How long a tag may be, in bytes: the size of the device's field (virtio 1.2, 5.11.4). */
export const MAX_TAG_BYTES = 36;

const hasAtMost = (limit: number) => (text: string) => Buffer.byteLength(text) <= limit;

/** The path of a state directory. */
export const stateSchema = absolutePath.check(
  z.refine(
    hasAtMost(MAX_STATE_BYTES),
    `use a path of at most ${MAX_STATE_BYTES} bytes: those of the sockets in it are limited`,
  ),
);

const isShort = z.refine<string>(
  hasAtMost(MAX_SOCKET_PATH_BYTES),
  `use a path of at most ${MAX_SOCKET_PATH_BYTES} bytes`,
);
const socketPath = absolutePath.check(isShort);
const word = z.string().check(z.minLength(1));
const milliseconds = z.int().check(z.positive());

const ttrpcSchema = z.strictObject({
  address: z
    .optional(socketPath)
    .check(z.describe('Unix socket of the ttrpc services. Default: host.sock in the state directory.')),
});

const grpcSchema = z.strictObject({
  address: z
    .optional(socketPath)
    .check(z.describe('Unix socket of the sandbox controller. Default: grpc.sock in the state directory.')),
});

const containerdSchema = z.strictObject({
  ttrpc_address: z
    .optional(
      z.string().check(
        z.refine((text) => text === '' || text.startsWith('/'), 'use an absolute path, or "" for no events'),
        isShort,
      ),
    )
    .check(
      z.describe(
        'containerd\'s own ttrpc socket, which gets the events of sandboxes and shares for `ctr events`; "": none does. ' +
          "Default: the one that the shim's last `start` was told; where there was none, and the state directory is " +
          `the default one, ${DEFAULT_TTRPC_ADDRESS}.`,
      ),
    ),
});

const traceSchema = z.strictObject({
  endpoint: z
    .optional(z.url({ protocol: /^https?$/ }))
    .check(
      z.describe(
        'OTLP/HTTP collector; "/v1/traces" is added where it is missing. Absent: no traces are sent. ' +
          'The host connects to it directly: HTTP_PROXY and its like do not count.',
      ),
    ),
  service_name: z._default(word, 'containerd-shim-virtiofs'),
  sample_ratio: z
    ._default(z.number().check(z.minimum(0), z.maximum(1)), 1)
    .check(z.describe("Share of traces that we start; a caller's decision is kept.")),
  timeout_ms: z
    ._default(milliseconds, 2000)
    .check(z.describe('Limit for one export with all its attempts, in milliseconds.')),
});

const logSchema = z.strictObject({
  level: z._default(z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']), 'info'),
});

const shareSchema = z.strictObject({
  tag: word.check(
    z.refine(hasAtMost(MAX_TAG_BYTES), `use at most ${MAX_TAG_BYTES} bytes`),
    z.describe("The guest's mount tag."),
  ),
  source: z
    .optional(absolutePath)
    .check(z.describe('Directory to share; absent: an empty one that the host owns.')),
  shared_fs: z.optional(word),
  read_only: z._default(z.boolean(), false),
  cache: z
    .optional(word)
    .check(
      z.describe("How long the guest may keep file data and names. Default: the provider's own setting."),
    ),
});

const haveOwnTags = z.superRefine<z.output<typeof shareSchema>[]>((shares, context) => {
  for (const [index, { tag }] of shares.entries()) {
    if (shares.findIndex((share) => share.tag === tag) === index) continue;
    const message = `"${tag}" is taken by another share: use a tag of its own`;
    context.addIssue({ code: 'custom', path: [index, 'tag'], message });
  }
});

const keysSchema = z.strictObject({
  version: z.literal(1).check(z.describe('Version of this format.')),
  state: z
    .optional(stateSchema)
    .check(
      z.describe(
        'Directory of sockets and records. It is the identity of a host: two hosts need two. ' +
          `Default: the one that the host is given (--state), else ${DEFAULT_STATE}.`,
      ),
    ),
  plugin_dirs: z
    ._default(z.array(absolutePath), [])
    .check(z.describe('Directories whose folders hold a plugin.toml each, besides the built-in ones.')),
  plugin_timeout_ms: z
    ._default(milliseconds, 10_000)
    .check(z.describe('How long a plugin may take to load, in milliseconds.')),
  shared_fs: z
    ._default(word, 'virtio-fs')
    .check(z.describe("The provider of shares that name none (Kata's key).")),
  scratch_dir: z
    ._default(absolutePath, DEFAULT_SCRATCH_DIR)
    .check(
      z.describe(
        'Where the directories of shares without a source stand: guests can fill them, so not where the state is.',
      ),
    ),
  scratch_limit_mib: z
    ._default(z.int().check(z.nonnegative()), 10_240)
    .check(
      z.describe(
        'How much a guest may write into such a directory, in MiB; 0: no limit. Enforced on a tmpfs, by one for each, and on ext4 and xfs with project quotas (mount option prjquota, package quota); elsewhere a warning says that nothing does.',
      ),
    ),
  daemon_oom_score_adj: z
    ._default(z.int().check(z.minimum(-1000), z.maximum(1000)), 0)
    .check(z.describe("The daemons' score for the kernel's OOM killer, from -1000 (never) to 1000 (first).")),
  ttrpc: z.prefault(ttrpcSchema, {}),
  grpc: z
    .optional(grpcSchema)
    .check(
      z.describe(
        "Serves containerd's sandbox controller over gRPC, for a proxy plugin of type sandbox. Absent: it is not served.",
      ),
    ),
  containerd: z.prefault(containerdSchema, {}),
  trace: z.prefault(traceSchema, {}),
  log: z.prefault(logSchema, {}),
  shares: z
    ._default(z.array(shareSchema).check(haveOwnTags), [])
    .check(z.describe('Shares of every sandbox whose creator gives no OCI spec (CRI).')),
  plugins: z._default(z.record(z.string(), z.record(z.string(), z.unknown())), {}),
});

const fileSchema = keysSchema.check(
  z.superRefine(({ ttrpc, grpc }, context) => {
    if (grpc?.address === undefined || grpc.address !== ttrpc.address) return;
    const message = `"${grpc.address}" is the address of the ttrpc services too: use another one`;
    context.addIssue({ code: 'custom', path: ['grpc', 'address'], message });
  }),
);

/**
 * The configuration file, keys in camelCase from here on. A plugin's own table stays as it is: the plugin's schema
 * validates it.
 */
export const configSchema = z.pipe(
  fileSchema,
  z.transform(({ plugins, ...own }) => ({ ...camelKeys(own), plugins })),
);

/** A completed configuration. */
export type Config = Readonly<z.output<typeof configSchema>> & { readonly state: string };

/** A configuration as its file has it, keys in snake_case; only `version` is required. */
export type ConfigInput = z.input<typeof configSchema>;
