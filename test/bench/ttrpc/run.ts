import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { obtainOrSkip } from '../../setup/obtain.ts';
import { type Case, makeCases, makeWarmUp } from './cases.ts';
import { type Pair, type PairCommand, type Sample, startPair } from './pair.ts';
import { type CaseResult, formatTable, medianOf } from './table.ts';
import { checkTargets } from './targets.ts';

/**
 * Measures ttrpc-ts, Go's ttrpc and @grpc/grpc-js, interleaved, and prints a table, the targets, and JSON to a file.
 *
 * `--quick` takes a few seconds, `--case TEXT` measures the cases with that in their name, `--json FILE` keeps it all.
 * Both processes of a pair share one core unless `--placement free`: waking an idle processor costs more than a call.
 */
const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    placement: { type: 'string', default: 'core' },
    rounds: { type: 'string' },
    case: { type: 'string', default: '' },
  },
});
const core = options.placement === 'free' ? undefined : availableParallelism() - 1;
const rounds = Number(options.rounds ?? (options.quick ? 3 : 5));
const cases = makeCases(options.quick).filter(({ name }) => name.includes(options.case));
const results = await measureAll(cases);
const targets = checkTargets(results);
const conditions = {
  node: process.version,
  processor: cpus()[0]?.model ?? '',
  cores: availableParallelism(),
  placement: core === undefined ? 'free' : 'same core',
  rounds,
};
console.log(`\n${formatTable(results, 'go → go')}\n`);
for (const { what, measured, bound, met } of targets)
  console.log(`${met ? 'met    ' : 'not met'}  ${what}: ${measured} (${bound})`);
console.log(`\n${JSON.stringify(conditions)}`);
if (options.json)
  await writeFile(options.json, `${JSON.stringify({ conditions, results, targets }, undefined, 2)}\n`);

async function measureAll(measurable: readonly Case[]): Promise<CaseResult[]> {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'ttrpc-bench-'));
  stack.defer(() => rm(dir, { recursive: true }));
  const commands = await makeCommands(dir);
  const pairs = new Map<PairCommand, Pair>();
  for (const command of commands) pairs.set(command, stack.use(await startPair(command, core)));
  for (const [{ can }, pair] of pairs) {
    for (const each of makeWarmUp()) if (can?.(each) !== false) await pair.measure(each);
  }
  const measured: CaseResult[] = [];
  for (const each of measurable) {
    process.stderr.write(`${each.name}\n`);
    measured.push({ name: each.name, pairs: await measureCase(each, pairs) });
  }
  return measured;
}

/** Measures a case in rounds, in each of which every pair has its turn. The first round only warms up. */
async function measureCase(
  each: Case,
  pairs: ReadonlyMap<PairCommand, Pair>,
): Promise<Record<string, Sample>> {
  const samples = new Map<string, Sample[]>();
  for (let round = 0; round <= rounds; round++) {
    for (const [{ name, can }, pair] of pairs) {
      if (can && !can(each)) continue;
      const sample = await pair.measure(each);
      if (round > 0) samples.set(name, [...(samples.get(name) ?? []), sample]);
    }
  }
  return Object.fromEntries([...samples].map(([name, of]) => [name, medianOf(of)]));
}

async function makeCommands(dir: string): Promise<PairCommand[]> {
  const { part: go, skip } = await obtainOrSkip('interop-go');
  if (skip !== false) console.log(`Without Go: ${skip}`);
  const ttrpc = peer('ttrpc-peer.ts');
  const pair = (name: string, server: readonly string[], client: readonly string[]): PairCommand => {
    const socket = join(dir, `${name.replaceAll(/\W+/g, '-')}.sock`);
    return { name, server: [...server, socket], client: [...client, socket] };
  };
  const commands = [
    {
      ...pair('raw socket', [...peer('raw-peer.ts'), 'server'], [...peer('raw-peer.ts'), 'client']),
      can: isSerial,
    },
    pair('ts → ts', [...ttrpc, 'server', 'protobuf'], [...ttrpc, 'client', 'protobuf']),
    pair('ts → ts, bytes', [...ttrpc, 'server', 'bytes'], [...ttrpc, 'client', 'bytes']),
    pair('grpc-js', [...peer('grpc-peer.ts'), 'server'], [...peer('grpc-peer.ts'), 'client']),
  ];
  if (go === undefined) return commands;
  return [
    pair('go → go', [go, 'server'], [go, 'bench']),
    pair('go → ts', [...ttrpc, 'server', 'protobuf'], [go, 'bench']),
    pair('go → ts, bytes', [...ttrpc, 'server', 'bytes'], [go, 'bench']),
    pair('ts → go', [go, 'server'], [...ttrpc, 'client', 'protobuf']),
    ...commands,
  ];
}

function isSerial({ inFlight, window }: Case): boolean {
  return inFlight === 1 && window === 0;
}

function peer(file: string): string[] {
  return [process.execPath, fileURLToPath(new URL(file, import.meta.url))];
}
