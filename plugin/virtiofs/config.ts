import { z } from 'containerd-shim-virtiofs/plugin';

/** Kata's cache modes: how long the guest may keep file data and names. */
export const CACHE_MODES = ['auto', 'always', 'metadata', 'never'] as const;

/** Arguments that would take the socket or the directory out of our hands. */
const OURS = [
  /^--(fd|socket-path|socket-group|shared-dir|print-capabilities|version|help)(=|$)/,
  /^-[hV]/,
  // The value of -o, behind it or as the next argument.
  /(^(-o=?)?|,)(source|vhost_user_socket)=/,
];

/** The table as it is written; its keys are Kata's where Kata has the setting. */
const tableSchema = z.strictObject({
  virtio_fs_daemon: z
    .string()
    .refine((path) => path === '' || path.startsWith('/'), 'use an absolute path')
    .optional()
    .describe(
      'Absolute path of virtiofsd. Default: the first found in /usr/libexec, /usr/lib, /usr/lib/qemu and PATH.',
    ),
  virtio_fs_dialect: z
    .enum(['auto', 'c', 'rust'])
    .default('auto')
    .describe('Which virtiofsd it is; "auto" runs it once with --version.'),
  virtio_fs_cache: z
    .enum(CACHE_MODES)
    .default('auto')
    .describe('How long the guest may keep file data and names.'),
  virtio_fs_queue_size: z
    .int()
    .min(2)
    .max(32_768)
    .refine((size) => Number.isInteger(Math.log2(size)), 'use a power of two')
    .default(1024)
    .describe('Entries of the request queue.'),
  virtio_fs_extra_args: z
    .array(
      z
        .string()
        .refine(
          (argument) => !OURS.some((pattern) => pattern.test(argument)),
          'this argument is set by the shim; leave it out',
        ),
    )
    .default([])
    .describe('Further arguments of virtiofsd, passed on last.'),
  virtio_fs_syslog: z
    .boolean()
    .default(false)
    .describe(
      'Let virtiofsd log to syslog, as Kata does; then nothing of its output reaches our log and errors.',
    ),
  virtio_fs_debug: z.boolean().default(false).describe('Let virtiofsd log every request.'),
  virtio_fs_start_timeout_ms: z
    .int()
    .positive()
    .default(5000)
    .describe('How long virtiofsd may take until it waits for its VMM, in milliseconds.'),
  virtio_fs_stop_timeout_ms: z
    .int()
    .positive()
    .default(1000)
    .describe('How long virtiofsd may take to end after SIGTERM before SIGKILL follows, in milliseconds.'),
});

/** The table `[plugins."io.containerd.fsshare.v1.virtiofs"]`, and its settings by the names that the program uses. */
export const configSchema = tableSchema.transform((table) => ({
  daemonPath: table.virtio_fs_daemon,
  dialect: table.virtio_fs_dialect,
  cache: table.virtio_fs_cache,
  queueSize: table.virtio_fs_queue_size,
  extraArgs: table.virtio_fs_extra_args,
  syslog: table.virtio_fs_syslog,
  debug: table.virtio_fs_debug,
  startTimeoutMs: table.virtio_fs_start_timeout_ms,
  stopTimeoutMs: table.virtio_fs_stop_timeout_ms,
}));

/** A validated {@link configSchema}. */
export type VirtiofsConfig = Readonly<z.output<typeof configSchema>>;
