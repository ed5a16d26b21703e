#!/usr/bin/env -S node --disable-sigusr1
import { hint } from '../config/problems.ts';
import { packageVersion } from '../package.ts';
import { checkConfig } from './commands/check-config.ts';
import type { Command } from './commands/command.ts';
import { serve } from './commands/serve.ts';
import { listCommands } from './help.ts';
import { rejectUsage, runCommand } from './run-command.ts';

const COMMANDS: readonly Command[] = [serve, checkConfig];

process.exitCode = await main(process.argv.slice(2));

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === '--help' || name === '-h') return say(listCommands(COMMANDS));
  if (name === '--version' || name === '-v') return say(`shim-virtiofs ${packageVersion()}\n`);
  const command = COMMANDS.find((candidate) => candidate.name === name);
  return command ? runCommand(command, args) : rejectUsage(problemWith(name), '--help');
}

function problemWith(name: string | undefined): string {
  if (name === undefined) return 'Name a command';
  if (name.startsWith('-')) return `Unknown option '${name}'`;
  const names = COMMANDS.map((command) => command.name);
  return `Unknown command "${name}"${hint(name, names)}`;
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}
