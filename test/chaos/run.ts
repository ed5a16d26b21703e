import { parseArgs } from 'node:util';
import { onInterrupt } from '../setup/interrupt.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';
import { fixture } from '../harness/fixtures.ts';
import type { DaemonChoice } from './place.ts';
import { sweepStart } from './start-windows.ts';
import { walk } from './walk.ts';
import { sweepWindows, type Sweep } from './windows.ts';

const USAGE = `Usage: npm run chaos -- [option…]
Does random things to hosts, their daemons, VMMs and files (needs root), and looks after each step
whether anything is left or lost. Ends with 1 at the first violation, and says how to get there again.
  --steps N      how many (default: 1000)
  --seed S       which ones (default: of the time)
  --dialect D    rust or c: the virtiofsd (default: rust)
  --verbose      print each step
  --windows      instead: kill hosts before each single step of a start, an open, a close
  --help         this text`;

/* oxlint-disable no-console -- a program */
async function main(signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({
    options: {
      steps: { type: 'string', default: '1000' },
      seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
      dialect: { type: 'string', default: 'rust' },
      verbose: { type: 'boolean', default: false },
      windows: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const virtiofsd = (await realVirtiofsds()).find(({ dialect }) => dialect === values.dialect);
  const [steps, seed] = [Number(values.steps), Number(values.seed)];
  if (!virtiofsd || !Number.isSafeInteger(steps) || !Number.isSafeInteger(seed)) {
    console.error(USAGE);
    return 2;
  }
  if (virtiofsd.skip) throw new Error(virtiofsd.skip);
  const choice = { daemon: virtiofsd.path, dialect: virtiofsd.dialect };
  if (values.windows) return tryWindows(choice, signal);
  console.log(`Seed ${seed}, ${steps} steps, ${virtiofsd.name}`);
  const onStep = values.verbose ? (step: string) => console.log(step) : () => {};
  const result = await walk({ ...choice, steps, seed, onStep, signal });
  for (const [name, count] of Object.entries(result.counts))
    console.log(`${String(count).padStart(6)} ${name}`);
  if (result.wrong.length === 0) {
    console.log(`${result.steps} steps, and nothing is left or lost`);
    return 0;
  }
  const again = `npm run chaos -- --steps ${result.steps} --seed ${seed} --dialect ${values.dialect}`;
  console.log(
    ['Steps:', ...result.last, 'Log:', ...result.log, 'Wrong:', ...result.wrong, `Again: ${again}`].join(
      '\n',
    ),
  );
  return 1;
}

async function tryWindows(real: DaemonChoice, signal: AbortSignal): Promise<number> {
  const waits = { daemon: fixture('waits'), dialect: 'rust' } as const;
  const both = [false, true] as const;
  const sweeps: [what: string, sweep: () => Promise<Sweep>][] = [
    ['the start with a virtiofsd', () => sweepStart(real)],
    ...both.flatMap((isReal) =>
      (['open', 'close'] as const).flatMap((call) =>
        both.map((isLate): [string, () => Promise<Sweep>] => [
          `${call} with ${isReal ? 'a virtiofsd' : 'a fixture'}, ${isLate ? 'late' : 'at once'}`,
          () => sweepWindows({ ...(isReal ? real : waits), call, isLate, isReal }),
        ]),
      ),
    ),
  ];
  let isFine = true;
  for (const [what, sweep] of sweeps) {
    if (signal.aborted) return 1;
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { steps, survivals, wrong } = await sweep();
    console.log(
      `${what}: ${steps.length} deaths, the share survived ${survivals}, ${wrong.length} violations`,
    );
    for (const line of wrong) console.log(`  ${line}`);
    isFine &&= wrong.length === 0;
  }
  return isFine ? 0 : 1;
}

const interrupt = onInterrupt();
process.exitCode = await main(interrupt.signal);
process.exitCode = interrupt.exitCode ?? process.exitCode;
interrupt.stopListening();
