#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Code, StatusError } from 'ttrpc-ts';
import { readConfig } from './config.ts';
import { serve } from './containerd/serve.ts';
import { messageOf } from './errors.ts';
import { openHost } from './host/host.ts';
import { loadPlugins } from './host/plugins.ts';
import { createLogger } from './log.ts';
import { describeStateDirectory } from './share/state-directory.ts';

const DEFAULT_CONFIG = '/etc/containerd-shim-virtiofs/config.toml';

const HELP = `Usage: shim-virtiofs <command> [options]

Commands:
  serve           Run the shim host: load the plugins and serve ttrpc until SIGINT or SIGTERM.
                  Shares outlive it; containerd's delete, or deleting the sandbox first, ends them.
  check-config    Read the configuration, load the plugins, and say whether all is well.

Options:
  -c, --config FILE   Configuration (default: ${DEFAULT_CONFIG})
  -h, --help          Show this text
  -v, --version       Show the version

Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
`;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: string[]): Promise<number> {
  let options;
  try {
    options = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c', default: DEFAULT_CONFIG },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
      },
    });
  } catch (error) {
    return usageError(messageOf(error));
  }
  const { values, positionals } = options;
  if (values.help) return say(HELP);
  if (values.version) return say(`shim-virtiofs ${version()}\n`);
  const [command, ...rest] = positionals;
  if (rest.length > 0) return usageError(`Unexpected argument "${rest[0]}"`);
  try {
    if (command === 'serve') return await runHost(values.config);
    if (command === 'check-config') return await checkConfig(values.config);
  } catch (error) {
    process.stderr.write(`shim-virtiofs: ${messageOf(error)}\n`);
    return StatusError.is(error) && error.code === Code.InvalidArgument ? 2 : 1;
  }
  return usageError(command === undefined ? 'Name a command' : `Unknown command "${command}"`);
}

async function runHost(config: string): Promise<number> {
  const ended = new Promise<string>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, resolve);
  });
  const host = await openHost({ config });
  const serving = await serve(host);
  const signal = await ended;
  host.log.info({ signal, sandboxes: host.sandboxes.list().length }, 'Ending; shares stay for the next host');
  await serving[Symbol.asyncDispose]();
  await host.detach();
  return 0;
}

async function checkConfig(file: string): Promise<number> {
  const config = readConfig(file);
  const plugins = await loadPlugins(config, {
    configFile: file,
    log: createLogger('silent'),
    stateDir: describeStateDirectory(config.state),
  });
  const provided = [...plugins.provided].map(([value, plugin]) => `${value} (${plugin})`);
  return say(`${file} is valid; shares it can open: ${provided.join(', ')}\n`);
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
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
