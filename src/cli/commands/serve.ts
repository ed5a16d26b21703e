import { existsSync } from 'node:fs';
import { runHost } from '../run-host.ts';
import { defineCommand, UsageError } from './command.ts';
import { CONFIG_OPTIONS, DEFAULT_CONFIG } from './config-options.ts';

/** Runs a host in this process. */
export const serve = defineCommand({
  name: 'serve',
  purpose: 'Run the shim host',
  description: `Loads the plugins and serves ttrpc until SIGINT or SIGTERM.
Shares outlive it; containerd's delete, or deleting the sandbox first, ends them.
Where no configuration is named and there is none by default, the defaults hold.`,
  options: {
    ...CONFIG_OPTIONS,
    announce: {
      type: 'boolean',
      purpose: "Print the socket's address on standard output, then let go of it",
    },
    'idle-timeout-ms': {
      type: 'string',
      value: 'N',
      purpose: 'End after so long without sandboxes (default: never)',
    },
  },
  exitStatus: '0 ended as it was told or idle, 1 failed, 2 wrong usage or configuration',
  async run({ config, state, announce = false, 'idle-timeout-ms': idleTimeout }) {
    await runHost({
      config: config ?? (existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : { version: 1 }),
      state,
      announce,
      idleTimeoutMs: idleTimeout === undefined ? undefined : parseIdleTimeout(idleTimeout),
    });
    // The daemons that stay are children of this process and would keep it running.
    return process.exit(0);
  },
});

function parseIdleTimeout(text: string): number {
  const ms = Number(text);
  if (ms > 0) return ms;
  throw new UsageError('--idle-timeout-ms takes a positive number');
}
