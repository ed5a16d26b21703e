import { EXIT_POLICIES } from 'containerd-shim-virtiofs/plugin';
import * as z from 'zod/mini';
import { findForbidden } from './extra-args.ts';

/** nydusd's own queue is that long (its QUEUE_SIZE); a longer one of the VMM would not fit. */
const MAX_QUEUE_SIZE = 1024;

const milliseconds = z.int().check(z.positive());

const areAllowed = z.superRefine<string[]>((args, context) => {
  const problem = findForbidden(args);
  if (problem) context.addIssue({ code: 'custom', path: [problem.index], message: problem.message });
});

/** The table as it is written; its keys are Kata's where Kata has the setting. */
const tableSchema = z.strictObject({
  virtio_fs_daemon: z
    .optional(
      z.string().check(z.refine((path) => path === '' || path.startsWith('/'), 'use an absolute path')),
    )
    .check(
      z.describe('Absolute path of nydusd. Default: the first found in /usr/local/bin, /usr/bin and PATH.'),
    ),
  virtio_fs_queue_size: z
    ._default(
      z.int().check(
        z.minimum(2),
        z.maximum(MAX_QUEUE_SIZE),
        z.refine((size) => Number.isInteger(Math.log2(size)), 'use a power of two'),
      ),
      MAX_QUEUE_SIZE,
    )
    .check(z.describe('Entries of the request queue.')),
  virtio_fs_extra_args: z
    ._default(z.array(z.string()).check(areAllowed), [])
    .check(z.describe('Further arguments of "nydusd virtiofs", passed on last, but for what the shim sets.')),
  virtio_fs_debug: z._default(z.boolean(), false).check(z.describe('Let nydusd log at its level "debug".')),
  virtio_fs_start_timeout_ms: z
    ._default(milliseconds, 5000)
    .check(
      z.describe(
        'How long nydusd may take until it runs and has mounted the shared directory, in milliseconds.',
      ),
    ),
  virtio_fs_stop_timeout_ms: z
    ._default(milliseconds, 1000)
    .check(
      z.describe(
        'How long nydusd may take to end after SIGTERM before SIGKILL follows, in milliseconds. It never ends by itself ' +
          'while no VMM has come, or while one holds on.',
      ),
    ),
  virtio_fs_on_exit: z
    ._default(z.enum(EXIT_POLICIES), 'stop-sandbox')
    .check(
      z.describe(
        'What follows when nydusd ends unasked: "stop-sandbox" ends the sandbox; "respawn" starts another one where its VMM has left or none has come yet, and mounts its images again; "keep" only reports it.',
      ),
    ),
  nydus_mount_timeout_ms: z
    ._default(milliseconds, 30_000)
    .check(z.describe('How long nydusd may take to mount or unmount an image, in milliseconds.')),
  nydus_registry_auth_file: z
    .optional(z.string().check(z.startsWith('/', 'use an absolute path')))
    .check(
      z.describe(
        'File with credentials of registries, as Docker\'s config.json has them ("auths"); read at each mount.',
      ),
    ),
  nydus_registry_auth_env: z
    .optional(z.string().check(z.minLength(1)))
    .check(
      z.describe("Variable in the host's environment with the same content; read where there is no file."),
    ),
});

/** The table `[plugins."io.containerd.fsshare.v1.nydus"]`, and its settings by the names that the program uses. */
export const configSchema = z.pipe(
  tableSchema,
  z.transform((table) => ({
    daemonPath: table.virtio_fs_daemon,
    queueSize: table.virtio_fs_queue_size,
    extraArgs: table.virtio_fs_extra_args,
    debug: table.virtio_fs_debug,
    startTimeoutMs: table.virtio_fs_start_timeout_ms,
    stopTimeoutMs: table.virtio_fs_stop_timeout_ms,
    onExit: table.virtio_fs_on_exit,
    mountTimeoutMs: table.nydus_mount_timeout_ms,
    registryAuthFile: table.nydus_registry_auth_file,
    registryAuthEnv: table.nydus_registry_auth_env,
  })),
);

/** A validated {@link configSchema}. */
export type NydusConfig = Readonly<z.output<typeof configSchema>>;
