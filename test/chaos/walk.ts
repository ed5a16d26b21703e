import type { DaemonChoice } from './place.ts';
import { callSteps } from './steps/calls.ts';
import { deathSteps } from './steps/deaths.ts';
import { fileSteps } from './steps/files.ts';
import { hostSteps } from './steps/hosts.ts';
import type { Step } from './steps/step.ts';
import { openWorld, type World } from './world.ts';

/** How many steps before a violation are told. */
const TOLD_STEPS = 15;

const STEPS: readonly Step[] = [...callSteps, ...deathSteps, ...hostSteps, ...fileSteps];

/** How a walk goes. */
export interface WalkOptions extends DaemonChoice {
  readonly steps: number;
  /** The same draws of steps follow from the same seed; how long each takes is the machine's. */
  readonly seed: number;
  /** Hears of each step. @default nobody */
  readonly onStep?: (step: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What a walk has done. */
export interface Walk {
  /** How often each step was done. */
  readonly counts: Readonly<Record<string, number>>;
  readonly steps: number;
  /** What was found wrong, after the last step; empty where nothing was. */
  readonly wrong: readonly string[];
  /** The last steps, oldest first. */
  readonly last: readonly string[];
  /** The last lines of the host's log, where something was wrong. */
  readonly log: readonly string[];
}

/** Does random things to hosts, daemons, VMMs and files, and looks after each at all that has to be true; ends when it is not. */
export async function walk({ steps, seed, onStep, signal, ...choice }: WalkOptions): Promise<Walk> {
  await using world = await openWorld(choice, seed);
  const counts: Record<string, number> = {};
  const last: string[] = [];
  let done = 0;
  let wrong: string[] = [];
  const isOver = (): boolean => done >= steps || wrong.length > 0 || signal?.aborted === true;
  while (!isOver()) {
    const step = draw(world);
    // oxlint-disable-next-line no-await-in-loop -- one step follows the other
    const told = await run(step, world);
    if (told.did === undefined) continue;
    done++;
    counts[step.name] = (counts[step.name] ?? 0) + 1;
    last.push(`${done} ${step.name} ${told.did}`);
    last.splice(0, last.length - TOLD_STEPS);
    onStep?.(last.at(-1) ?? '');
    wrong = told.wrong;
  }
  return {
    counts,
    steps: done,
    wrong,
    last,
    log: wrong.length > 0 ? world.host.output.slice(-TOLD_STEPS) : [],
  };
}

function draw({ random }: World): Step {
  let left = random.below(STEPS.reduce((sum, { weight }) => sum + weight, 0));
  for (const step of STEPS) {
    left -= step.weight;
    if (left < 0) return step;
  }
  throw new Error('Not reached');
}

async function run(step: Step, world: World): Promise<{ did: string | undefined; wrong: string[] }> {
  try {
    const did = await step.run(world);
    return { did, wrong: did === undefined ? [] : await world.check() };
  } catch (error) {
    return {
      did: '(failed)',
      wrong: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
    };
  }
}
