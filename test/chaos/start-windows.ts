import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ShareRecord } from '../../src/share/record.ts';
import type { ServeProcess } from '../harness/serve-process.ts';
import { settle } from './invariants.ts';
import { expectedOf, flawsOf, openPlace, type DaemonChoice, type Place } from './place.ts';
import { armable, killFile, stepOf, type Sweep } from './windows.ts';

const KEPT = { sandboxId: 'kept', tag: 'work' };
const LEFT = { sandboxId: 'left', tag: 'work' };
/** More than any start takes: where it is reached, the steps are not counted. */
const MAX_STEPS = 300;

/**
 * Kills a host before each step of its start, in which it adopts one share of a former host and ends another, until it is
 * through. The next host must have the one, with the daemon that it had, and nothing of the other.
 */
export async function sweepStart(choice: DaemonChoice): Promise<Sweep> {
  await using place = await openPlace(choice);
  const steps: string[] = [];
  const wrong: string[] = [];
  let kept: number | undefined;
  for (let at = 1; at < MAX_STEPS; at++) {
    // oxlint-disable no-await-in-loop -- one host follows the other
    await using host = await place.start();
    const flaws = await judge(place, host, kept);
    wrong.push(...flaws.map((flaw) => `Killed before step ${at - 1} (${steps.at(-1)}): ${flaw}`));
    kept ??= (await host.shares.open(KEPT)).share?.pid;
    await host.shares.open(LEFT);
    await host.end('SIGKILL');
    spoil(place, at);
    const step = await startUntilDeath(place, at);
    if (step === undefined) {
      await using last = await place.start();
      wrong.push(...(await judge(place, last, kept)));
      await last.shares.close(KEPT);
      return { steps, survivals: steps.length, wrong };
    }
    steps.push(step.replaceAll(place.directory, ''));
    // oxlint-enable no-await-in-loop
  }
  return { steps, survivals: steps.length, wrong: [...wrong, 'The sweep was not finished'] };
}

/** As if the host had died while it closed the share, or before it had written down its daemon. */
function spoil({ state }: Place, at: number): void {
  const file = join(state, 'sandboxes/default', LEFT.sandboxId, LEFT.tag, 'share.json');
  const { daemon, ...record } = JSON.parse(readFileSync(file, 'utf8')) as ShareRecord;
  writeFileSync(file, JSON.stringify(at % 2 === 0 ? record : { ...record, daemon, isClosing: true }));
}

async function judge(place: Place, host: ServeProcess, kept: number | undefined): Promise<string[]> {
  const { shares } = await host.shares.list({});
  const pids = shares.map(({ pid }) => pid);
  const isRight = kept === undefined ? pids.length === 0 : pids.length === 1 && pids[0] === kept;
  return [
    ...(isRight ? [] : [`the daemons ${pids.join(', ')} are listed, and ${kept} has to be`]),
    ...shares.flatMap(flawsOf),
    ...(await settle(() => place.violations(host, { shares: shares.map(expectedOf) }))),
  ];
}

/** Resolves to the step before which the host was killed; undefined where it got through, and lives no more either. */
async function startUntilDeath(place: Place, at: number): Promise<string | undefined> {
  const file = killFile(place);
  writeFileSync(file, `${at}`);
  try {
    await using host = await place.start(armable(place));
    await host.shares.list({});
  } catch (error) {
    if (stepOf(file) === undefined) throw error;
  }
  const step = stepOf(file);
  rmSync(file);
  rmSync(`${file}.step`, { force: true });
  return step;
}
