import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DEFAULT_STATE } from '../config/default-state.ts';
import { HOST_FILES } from '../share/host-files.ts';
import { CommandError } from './commands/command.ts';
import { DEFAULT_CONFIG } from './commands/config-options.ts';
import { ExitCode } from './exit-code.ts';

/** Which host a command means. */
export interface HostChoice {
  readonly address?: string | undefined;
  readonly state?: string | undefined;
  readonly config?: string | undefined;
}

/**
 * Finds the socket of the host that is meant: the address itself, or what the host wrote into its state directory.
 *
 * @throws CommandError where no host has written there; ConfigError
 */
export async function findAddress(choice: HostChoice): Promise<string> {
  if (choice.address !== undefined) return choice.address;
  const state = await stateOf(choice);
  const file = join(state, HOST_FILES.address);
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') {
      const message = `Cannot read "${file}", which tells the host's socket: ${(cause as Error).message}`;
      throw new CommandError(ExitCode.Failed, message, { cause });
    }
    throw noHost(state, serveCommand(choice), cause);
  }
}

/** Says that no host runs at a place, and how to start one. */
export function noHost(place: string, start: string, cause: unknown): CommandError {
  const message = `No shim host runs on "${place}": start one with "${start}"`;
  return new CommandError(ExitCode.NoHost, message, { cause });
}

/** The command that starts the host that is meant. */
export function serveCommand({ config, state }: HostChoice): string {
  const options = [...(config ? ['--config', config] : []), ...(state ? ['--state', state] : [])];
  return ['shim-virtiofs serve', ...options].join(' ');
}

async function stateOf({ config, state }: HostChoice): Promise<string> {
  const file = config ?? (state === undefined && existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : undefined);
  if (file === undefined) return resolve(state ?? DEFAULT_STATE);
  const { loadConfig } = await import('../config/read.ts');
  return (await loadConfig(file, { state })).state;
}
