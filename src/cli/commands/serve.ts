import { existsSync } from 'node:fs';
import { refuseNodeOptions, requireAnnounceDescriptor } from '../node-options.ts';
import { rejectFailure } from '../run-command.ts';
import { ANNOUNCE_FD, runHost } from '../run-host.ts';
import { defineCommand, UsageError } from './command.ts';
import { CONFIG_OPTIONS, DEFAULT_CONFIG } from './config-options.ts';

/** Runs a host in this process. */
export const serve = defineCommand({
  description: `Loads the plugins and serves ttrpc until SIGINT or SIGTERM.
It also ends when another host has taken its state directory, after the holder of its lock was killed.
Shares outlive it; containerd's delete, or deleting the sandbox first, ends them.
SIGHUP reads the log's level again and reopens the log; SIGUSR1 writes a diagnosis to it.
Where no configuration is named and there is none by default, the defaults hold.`,
  options: {
    ...CONFIG_OPTIONS,
    announce: {
      type: 'boolean',
      purpose: `Write the socket's address to descriptor ${ANNOUNCE_FD}, then close it`,
    },
    'idle-timeout-ms': {
      type: 'string',
      value: 'N',
      purpose: 'End after so long without sandboxes (default: never)',
    },
  },
  exitStatus: '0 ended as it was told or idle, 1 failed, 2 wrong usage or configuration',
  async run({ config, state, announce = false, 'idle-timeout-ms': idleTimeout }) {
    refuseNodeOptions();
    if (announce) requireAnnounceDescriptor();
    const lost = await runHost({
      config: config ?? (existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : { version: 1 }),
      state,
      announce,
      idleTimeoutMs: idleTimeout === undefined ? undefined : parseIdleTimeout(idleTimeout),
    });
    // The daemons that stay are children of this process and would keep it running.
    return process.exit(lost ? rejectFailure(lost) : 0);
  },
});

function parseIdleTimeout(text: string): number {
  const ms = Number(text);
  if (ms > 0) return ms;
  throw new UsageError('--idle-timeout-ms takes a positive number');
}
