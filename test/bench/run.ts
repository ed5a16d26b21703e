import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { cacheDir } from '../setup/cache-dir.mjs';
import { onInterrupt } from '../setup/interrupt.ts';
import { describeConditions, observeConditions, type Conditions } from './conditions.ts';
import { suites } from './suites/index.ts';

/** A program that takes `--quick` and `--json FILE`, and prints a table. */
interface Program {
  readonly name: string;
  readonly description: string;
  readonly command: readonly string[];
}

const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

const programs: readonly Program[] = [
  ...suites.map(({ name, description }) => ({ name, description, command: [path('run-suite.ts'), name] })),
  {
    name: 'ttrpc',
    description: 'ttrpc-ts: calls and streams, against other implementations',
    command: [path('ttrpc/run.ts')],
  },
];

const usage = `Usage: npm run bench -- [option…] [suite…]
  --quick       few rounds: shows that it works, and rough numbers
  --json FILE   where the JSON goes; "-" is standard output, the tables then go to standard error
                (default: bench.json in the project's cache folder)
  --help        this text
Suites, all of them if none is named:
${programs.map(({ name, description }) => `  ${name.padEnd(12)}  ${description}`).join('\n')}`;

/** Runs the suites that are named, each in a process of its own, and resolves to the exit code. */
async function main(signal: AbortSignal): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string', default: join(cacheDir(), 'bench.json') },
      help: { type: 'boolean', default: false },
    },
  });
  const unknown = positionals.find((wanted) => programs.every(({ name }) => name !== wanted));
  if (values.help || unknown !== undefined) {
    console.log(unknown === undefined ? usage : `No suite "${unknown}"\n${usage}`);
    return unknown === undefined ? 0 : 2;
  }
  const chosen = programs.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const isPiped = values.json === '-';
  const print = isPiped ? console.error : console.log;

  const conditions = observeConditions();
  print(describeConditions(conditions));
  const results: Record<string, unknown> = {};
  const failed: string[] = [];
  for (const program of chosen) {
    print(`\n${program.name}: ${program.description}`);
    // oxlint-disable-next-line no-await-in-loop -- a suite beside another would disturb it
    const result = await runProgram(program, { isQuick: values.quick, isPiped, signal });
    if (signal.aborted) return 1;
    if (result === undefined) failed.push(program.name);
    else results[program.name] = result;
  }
  const report = { conditions: { ...conditions, isQuick: values.quick }, load: endLoad(), suites: results };
  const json = `${JSON.stringify(report, undefined, 2)}\n`;
  if (isPiped) process.stdout.write(json);
  else {
    await writeFile(values.json, json);
    print(`\nJSON in ${values.json}`);
  }
  if (failed.length > 0) console.error(`Failed: ${failed.join(', ')}`);
  return failed.length > 0 ? 1 : 0;
}

const endLoad = (): Conditions['load'] => observeConditions().load;

/** Resolves to what the program found, or undefined where it failed. */
async function runProgram(
  { command }: Program,
  { isQuick, isPiped, signal }: { isQuick: boolean; isPiped: boolean; signal: AbortSignal },
): Promise<unknown> {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'csv-bench-json-'));
  const json = join(directory.path, 'result.json');
  const args = [...command, '--json', json, ...(isQuick ? ['--quick'] : [])];
  const { exitCode } = await execa(process.execPath, args, {
    stdio: ['ignore', isPiped ? process.stderr : 'inherit', 'inherit'],
    reject: false,
    cancelSignal: signal,
    forceKillAfterDelay: 20_000,
  });
  return exitCode === 0 ? (JSON.parse(await readFile(json, 'utf8')) as unknown) : undefined;
}

const interrupt = onInterrupt();
process.exitCode = await main(interrupt.signal);
process.exitCode = interrupt.exitCode ?? process.exitCode;
interrupt.stopListening();
