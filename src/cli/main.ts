#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Code, StatusError } from 'ttrpc-ts';
import { checkConfig } from './check-config.ts';
import { messageOf } from '../errors.ts';
import { runHost } from './run-host.ts';

const DEFAULT_CONFIG = '/etc/containerd-shim-virtiofs/config.toml';

const HELP = `Usage: shim-virtiofs <command> [options]

Commands:
  serve           Run the shim host: load the plugins and serve ttrpc until SIGINT or SIGTERM.
                  Shares outlive it; containerd's delete, or deleting the sandbox first, ends them.
  check-config    Read the configuration, load the plugins, and say whether all is well.

Options:
  -c, --config FILE        Configuration (default: ${DEFAULT_CONFIG}, where it exists)
      --announce           serve: print the socket's address on standard output, then let go of it
      --idle-timeout-ms N  serve: end after so long without sandboxes (default: never)
  -h, --help               Show this text
  -v, --version            Show the version

Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
`;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: string[]): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c' },
        announce: { type: 'boolean' },
        'idle-timeout-ms': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
      },
    });
  } catch (error) {
    return usageError(messageOf(error));
  }
  const { values, positionals } = parsed;
  if (values.help) return say(HELP);
  if (values.version) return say(`shim-virtiofs ${version()}\n`);
  const [command, ...rest] = positionals;
  if (rest.length > 0) return usageError(`Unexpected argument "${rest[0]}"`);
  const idleTimeoutMs =
    values['idle-timeout-ms'] === undefined ? undefined : Number(values['idle-timeout-ms']);
  if (idleTimeoutMs !== undefined && !(idleTimeoutMs > 0))
    return usageError('--idle-timeout-ms takes a positive number');
  try {
    if (command === 'serve') {
      const { config, announce = false } = values;
      await runHost({ config, defaultConfig: DEFAULT_CONFIG, announce, idleTimeoutMs });
      // The daemons that stay are children of this process and would keep it running.
      process.exit(0);
    }
    if (command === 'check-config') return say(await checkConfig(values.config ?? DEFAULT_CONFIG));
  } catch (error) {
    process.stderr.write(`shim-virtiofs: ${messageOf(error)}\n`);
    return StatusError.is(error) && error.code === Code.InvalidArgument ? 2 : 1;
  }
  return usageError(command === undefined ? 'Name a command' : `Unknown command "${command}"`);
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}

function usageError(problem: string): number {
  process.stderr.write(`shim-virtiofs: ${problem}\nTry "shim-virtiofs --help".\n`);
  return 2;
}
