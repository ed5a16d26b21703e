#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { packageVersion } from '../package.ts';
import { COMMANDS } from './command-list.ts';
import { useReleaseCache } from './compile-cache.ts';
import { ExitCode } from './exit-code.ts';
import { listCommands } from './help.ts';
import { printAll } from './output.ts';
import { rejectUsage, sayProblem } from './reject-usage.ts';

useReleaseCache();
process.exitCode = await main(process.argv.slice(2));

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === '--help' || name === '-h') return printAll(listCommands(COMMANDS));
  if (name === '--version' || name === '-v') return printAll(`shim-virtiofs ${packageVersion()}\n`);
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (!command) return rejectUsage(await problemWith(name), '--help');
  // Else what it imports fails with no words for it.
  if (!existsSync('/proc/self/stat')) {
    sayProblem('There is no /proc here: mount it (mount -t proc proc /proc)');
    return ExitCode.Failed;
  }
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
