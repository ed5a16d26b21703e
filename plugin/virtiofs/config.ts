import { EXIT_POLICIES, z } from 'containerd-shim-virtiofs/plugin';
import { findProblem, hidesOutput } from './extra-args/check.ts';

/** Kata's cache modes: how long the guest may keep file data and names. */
export const CACHE_MODES = ['auto', 'always', 'metadata', 'never'] as const;

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
    .array(z.string())
    .default([])
    .describe(
      'Further arguments of virtiofsd, passed on last; its known options, but for what the shim sets.',
    ),
  virtio_fs_allow_unknown_args: z
    .boolean()
    .default(false)
    .describe('Pass on extra arguments that are not known here, such as those of a newer virtiofsd.'),
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
  virtio_fs_client_timeout_ms: z
    .int()
    .nonnegative()
    .max(2 ** 31 - 1)
    .default(0)
    .describe(
      'How long virtiofsd waits for its VMM until it is ended, in milliseconds; 0 for ever. Needs its output.',
    ),
  virtio_fs_stop_timeout_ms: z
    .int()
    .positive()
    .default(1000)
    .describe('How long virtiofsd may take to end after SIGTERM before SIGKILL follows, in milliseconds.'),
  virtio_fs_on_exit: z
    .enum(EXIT_POLICIES)
    .default('stop-sandbox')
    .describe(
      'What follows when virtiofsd ends unasked: "stop-sandbox" ends the sandbox; "respawn" starts another one where its VMM has left or none has come yet; "keep" only reports it.',
    ),
});

/** The table `[plugins."io.containerd.fsshare.v1.virtiofs"]`, and its settings by the names that the program uses. */
export const configSchema = tableSchema
  .superRefine(checkExtraArgs)
  .superRefine(checkClientTimeout)
  .transform((table) => ({
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
  }));

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
