import { EXIT_POLICIES } from 'containerd-shim-virtiofs/plugin';
import * as z from 'zod/mini';
import { findProblem, hidesOutput } from './extra-args/check.ts';

/** Kata's cache modes: how long the guest may keep file data and names. */
export const CACHE_MODES = ['auto', 'always', 'metadata', 'never'] as const;

const milliseconds = z.int().check(z.positive());

/** The table as it is written; its keys are Kata's where Kata has the setting. */
const tableSchema = z.strictObject({
  virtio_fs_daemon: z
    .optional(
      z.string().check(z.refine((path) => path === '' || path.startsWith('/'), 'use an absolute path')),
    )
    .check(
      z.describe(
        'Absolute path of virtiofsd. Default: the first found in /usr/libexec, /usr/lib, /usr/lib/qemu and PATH.',
      ),
    ),
  virtio_fs_dialect: z
    ._default(z.enum(['auto', 'c', 'rust']), 'auto')
    .check(z.describe('Which virtiofsd it is; "auto" runs it once with --version.')),
  virtio_fs_cache: z
    ._default(z.enum(CACHE_MODES), 'auto')
    .check(z.describe('How long the guest may keep file data and names.')),
  virtio_fs_queue_size: z
    ._default(
      z.int().check(
        z.minimum(2),
        z.maximum(32_768),
        z.refine((size) => Number.isInteger(Math.log2(size)), 'use a power of two'),
      ),
      1024,
    )
    .check(z.describe('Entries of the request queue.')),
  virtio_fs_extra_args: z
    ._default(z.array(z.string()), [])
    .check(
      z.describe(
        'Further arguments of virtiofsd, passed on last; its known options, but for what the shim sets.',
      ),
    ),
  virtio_fs_allow_unknown_args: z
    ._default(z.boolean(), false)
    .check(
      z.describe('Pass on extra arguments that are not known here, such as those of a newer virtiofsd.'),
    ),
  virtio_fs_syslog: z
    ._default(z.boolean(), false)
    .check(
      z.describe(
        'Let virtiofsd log to syslog, as Kata does; then nothing of its output reaches our log and errors.',
      ),
    ),
  virtio_fs_debug: z._default(z.boolean(), false).check(z.describe('Let virtiofsd log every request.')),
  virtio_fs_start_timeout_ms: z
    ._default(milliseconds, 5000)
    .check(z.describe('How long virtiofsd may take until it waits for its VMM, in milliseconds.')),
  virtio_fs_client_timeout_ms: z
    ._default(z.int().check(z.nonnegative(), z.maximum(2 ** 31 - 1)), 0)
    .check(
      z.describe(
        'How long virtiofsd waits for its VMM until it is ended, in milliseconds; 0 for ever. Needs its output.',
      ),
    ),
  virtio_fs_stop_timeout_ms: z
    ._default(milliseconds, 1000)
    .check(
      z.describe('How long virtiofsd may take to end after SIGTERM before SIGKILL follows, in milliseconds.'),
    ),
  virtio_fs_on_exit: z
    ._default(z.enum(EXIT_POLICIES), 'stop-sandbox')
    .check(
      z.describe(
        'What follows when virtiofsd ends unasked: "stop-sandbox" ends the sandbox; "respawn" starts another one where its VMM has left or none has come yet; "keep" only reports it.',
      ),
    ),
  virtio_fs_mount_timeout_ms: z
    ._default(milliseconds, 10_000)
    .check(z.describe('How long mount(8) and umount(8) may take in a share, in milliseconds.')),
});

/** The table `[plugins."io.containerd.fsshare.v1.virtiofs"]`, and its settings by the names that the program uses. */
export const configSchema = z.pipe(
  tableSchema.check(z.superRefine(checkExtraArgs), z.superRefine(checkClientTimeout)),
  z.transform((table) => ({
    daemonPath: table.virtio_fs_daemon,
    dialect: table.virtio_fs_dialect,
    cache: table.virtio_fs_cache,
    queueSize: table.virtio_fs_queue_size,
    extraArgs: table.virtio_fs_extra_args,
    allowUnknownArgs: table.virtio_fs_allow_unknown_args,
    syslog: table.virtio_fs_syslog,
    debug: table.virtio_fs_debug,
    startTimeoutMs: table.virtio_fs_start_timeout_ms,
    clientTimeoutMs: table.virtio_fs_client_timeout_ms,
    stopTimeoutMs: table.virtio_fs_stop_timeout_ms,
    onExit: table.virtio_fs_on_exit,
    mountTimeoutMs: table.virtio_fs_mount_timeout_ms,
  })),
);

/** A validated {@link configSchema}. */
export type VirtiofsConfig = Readonly<z.output<typeof configSchema>>;

/** Where it shows only later which virtiofsd it is, arguments that one of both takes are no mistake yet. */
function checkExtraArgs(table: z.output<typeof tableSchema>, context: z.core.$RefinementCtx): void {
  const { virtio_fs_extra_args: args, virtio_fs_allow_unknown_args: allowUnknown } = table;
  const dialects = table.virtio_fs_dialect === 'auto' ? (['rust', 'c'] as const) : [table.virtio_fs_dialect];
  const problems = dialects.map((dialect) => findProblem(args, { dialect, allowUnknown }));
  const isTaken = problems.includes(undefined);
  const problem = problems.find((found) => found?.isOurs) ?? (isTaken ? undefined : problems[0]);
  if (!problem) return;
  const { index, message } = problem;
  context.addIssue({ code: 'custom', path: ['virtio_fs_extra_args', index], message });
}

/** Where its output does not reach us, nobody can tell whether its VMM has come. */
function checkClientTimeout(table: z.output<typeof tableSchema>, context: z.core.$RefinementCtx): void {
  const isSilent = table.virtio_fs_syslog || hidesOutput(table.virtio_fs_extra_args);
  if (table.virtio_fs_client_timeout_ms === 0 || !isSilent) return;
  const message =
    "it needs virtiofsd's output: leave out virtio_fs_syslog and extra arguments about logs, or use 0";
  context.addIssue({ code: 'custom', path: ['virtio_fs_client_timeout_ms'], message });
}
