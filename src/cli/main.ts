#!/usr/bin/env -S node --disable-sigusr1
import { packageVersion } from '../package.ts';
import type { Command } from './commands/command.ts';
import { listCommands, type ListedCommand } from './help.ts';
import { printAll } from './output.ts';
import { rejectUsage } from './reject-usage.ts';

/** A command whose module is loaded when it is called: with all of them loaded `--version` took a host's start-up. */
interface LoadableCommand extends ListedCommand {
  load(): Promise<Command>;
}

const COMMANDS: readonly LoadableCommand[] = [
  {
    name: 'serve',
    purpose: 'Run the shim host',
    load: async () => (await import('./commands/serve.ts')).serve,
  },
  {
    name: 'ls',
    purpose: 'List the shares of a host',
    load: async () => (await import('./commands/ls.ts')).ls,
  },
  {
    name: 'inspect',
    purpose: "Show all that is known of a sandbox's shares",
    load: async () => (await import('./commands/inspect.ts')).inspect,
  },
  {
    name: 'open',
    purpose: 'Open a share on a host, and print the arguments of its VMM',
    load: async () => (await import('./commands/open.ts')).open,
  },
  {
    name: 'close',
    purpose: 'Close a share, or all of a sandbox',
    load: async () => (await import('./commands/close.ts')).close,
  },
  {
    name: 'mount',
    purpose: 'Mount a directory or file of the host in a share',
    load: async () => (await import('./commands/mount.ts')).mount,
  },
  {
    name: 'unmount',
    purpose: 'Unmount it',
    load: async () => (await import('./commands/unmount.ts')).unmount,
  },
  {
    name: 'mounts',
    purpose: 'List what is mounted in the shares of a host',
    load: async () => (await import('./commands/mounts.ts')).mounts,
  },
  {
    name: 'watch',
    purpose: 'Print what happens to the shares of a host, as it happens',
    load: async () => (await import('./commands/watch.ts')).watch,
  },
  {
    name: 'run',
    purpose: 'Open one share without a host, until Ctrl-C',
    load: async () => (await import('./commands/run.ts')).run,
  },
  {
    name: 'check-config',
    purpose: 'Read the configuration, load the plugins, and say whether all is well',
    load: async () => (await import('./commands/check-config.ts')).checkConfig,
  },
];

process.exitCode = await main(process.argv.slice(2));

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === '--help' || name === '-h') return printAll(listCommands(COMMANDS));
  if (name === '--version' || name === '-v') return printAll(`shim-virtiofs ${packageVersion()}\n`);
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (!command) return rejectUsage(await problemWith(name), '--help');
  const { runCommand } = await import('./run-command.ts');
  return runCommand(command.name, await command.load(), args);
}

async function problemWith(name: string | undefined): Promise<string> {
  if (name === undefined) return 'Name a command';
  if (name.startsWith('-')) return `Unknown option '${name}'`;
  const { hint } = await import('../config/problems.ts');
  const names = COMMANDS.map((command) => command.name);
  return `Unknown command "${name}"${hint(name, names)}`;
}
