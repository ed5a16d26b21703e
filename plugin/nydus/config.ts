import { EXIT_POLICIES, z } from 'containerd-shim-virtiofs/plugin';
import { findForbidden } from './extra-args.ts';

/** nydusd's own queue is that long (its QUEUE_SIZE); a longer one of the VMM would not fit. */
const MAX_QUEUE_SIZE = 1024;

/** The table as it is written; its keys are Kata's where Kata has the setting. */
const tableSchema = z.strictObject({
  virtio_fs_daemon: z
    .string()
    .refine((path) => path === '' || path.startsWith('/'), 'use an absolute path')
    .optional()
    .describe('Absolute path of nydusd. Default: the first found in /usr/local/bin, /usr/bin and PATH.'),
  virtio_fs_queue_size: z
    .int()
    .min(2)
    .max(MAX_QUEUE_SIZE)
    .refine((size) => Number.isInteger(Math.log2(size)), 'use a power of two')
    .default(MAX_QUEUE_SIZE)
    .describe('Entries of the request queue.'),
  virtio_fs_extra_args: z
    .array(z.string())
    .superRefine((args, context) => {
      const problem = findForbidden(args);
      if (problem) context.addIssue({ code: 'custom', path: [problem.index], message: problem.message });
    })
    .default([])
    .describe('Further arguments of "nydusd virtiofs", passed on last, but for what the shim sets.'),
  virtio_fs_debug: z.boolean().default(false).describe('Let nydusd log at its level "debug".'),
  virtio_fs_start_timeout_ms: z
    .int()
    .positive()
    .default(5000)
    .describe(
      'How long nydusd may take until it runs and has mounted the shared directory, in milliseconds.',
    ),
  virtio_fs_stop_timeout_ms: z
    .int()
    .positive()
    .default(1000)
    .describe(
      'How long nydusd may take to end after SIGTERM before SIGKILL follows, in milliseconds. It never ends by itself ' +
        'while no VMM has come, or while one holds on.',
    ),
  virtio_fs_on_exit: z
    .enum(EXIT_POLICIES)
    .default('stop-sandbox')
    .describe(
      'What follows when nydusd ends unasked: "stop-sandbox" ends the sandbox; "respawn" starts another one where its VMM has left or none has come yet, and mounts its images again; "keep" only reports it.',
    ),
  nydus_mount_timeout_ms: z
    .int()
    .positive()
    .default(30_000)
    .describe('How long nydusd may take to mount or unmount an image, in milliseconds.'),
  nydus_registry_auth_file: z
    .string()
    .startsWith('/', 'use an absolute path')
    .optional()
    .describe(
      'File with credentials of registries, as Docker\'s config.json has them ("auths"); read at each mount.',
    ),
  nydus_registry_auth_env: z
    .string()
    .min(1)
    .optional()
    .describe("Variable in the host's environment with the same content; read where there is no file."),
});

/** The table `[plugins."io.containerd.fsshare.v1.nydus"]`, and its settings by the names that the program uses. */
export const configSchema = tableSchema.transform((table) => ({
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
}));

/** A validated {@link configSchema}. */
export type NydusConfig = Readonly<z.output<typeof configSchema>>;
