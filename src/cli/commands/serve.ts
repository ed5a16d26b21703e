import { existsSync } from 'node:fs';
import { refuseNodeOptions, requireAnnounceDescriptor } from '../node-options.ts';
import { rejectFailure } from '../run-command.ts';
import { ANNOUNCE_FD, runHost, type RunHostOptions } from '../run-host.ts';
import { defineCommand, UsageError } from './command.ts';
import { CONFIG_OPTIONS, DEFAULT_CONFIG } from './config-options.ts';

/** How long the other host may take by default. */
const TAKE_OVER_TIMEOUT_MS = 30_000;

/** Runs a host in this process. */
export const serve = defineCommand({
  description: `Loads the plugins and serves ttrpc until SIGINT or SIGTERM.
It also ends when another host has taken its state directory, after the holder of its lock was killed.
Shares outlive it; containerd's delete, or deleting the sandbox first, ends them.
SIGHUP reads the log's level again and reopens the log; SIGUSR1 writes a diagnosis to it.
Where no configuration is named and there is none by default, the defaults hold.
With --take-over a host that has the state directory already hands it over and ends: this one loads everything first, and
where it cannot follow, the other one goes on. The shares notice nothing, and calls wait meanwhile.`,
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
    'take-over': {
      type: 'boolean',
      purpose: 'Follow the host that has the state directory; where none has it, just start',
    },
    'take-over-timeout-ms': {
      type: 'string',
      value: 'N',
      purpose: `How long that may take; half of it is for calls in flight (default: ${TAKE_OVER_TIMEOUT_MS})`,
    },
    force: {
      type: 'boolean',
      purpose: "With --take-over: also where pods of containerd's shim are lost",
    },
  },
  exitStatus:
    '0 ended as it was told, or idle, or handed over; 1 failed, or did not take over; 2 wrong usage or configuration',
  async run({ config, state, announce = false, 'idle-timeout-ms': idleTimeout, ...values }) {
    refuseNodeOptions();
    if (announce) requireAnnounceDescriptor();
    const lost = await runHost({
      config: config ?? (existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : { version: 1 }),
      state,
      announce,
      idleTimeoutMs: idleTimeout === undefined ? undefined : parseTimeout('idle-timeout-ms', idleTimeout),
      takeOver: parseTakeOver(values),
    });
    // The daemons that stay are children of this process and would keep it running.
    return process.exit(lost ? rejectFailure(lost) : 0);
  },
});

function parseTakeOver({
  'take-over': isWanted = false,
  'take-over-timeout-ms': timeout,
  force = false,
}: {
  'take-over'?: boolean | undefined;
  'take-over-timeout-ms'?: string | undefined;
  force?: boolean | undefined;
}): RunHostOptions['takeOver'] {
  if (!isWanted && (force || timeout !== undefined))
    throw new UsageError(`--${force ? 'force' : 'take-over-timeout-ms'} needs --take-over`);
  if (!isWanted) return undefined;
  return {
    force,
    timeoutMs: timeout === undefined ? TAKE_OVER_TIMEOUT_MS : parseTimeout('take-over-timeout-ms', timeout),
  };
}

function parseTimeout(name: string, text: string): number {
  const ms = Number(text);
  if (ms > 0) return ms;
  throw new UsageError(`--${name} takes a positive number`);
}
