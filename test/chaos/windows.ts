import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Share } from '../../src/proto/share/shares_pb.ts';
import { isGone } from '../harness/leftovers.ts';
import { eventually } from '../harness/eventually.ts';
import type { ServeProcess } from '../harness/serve-process.ts';
import { askFeatures } from '../harness/vhost-user.ts';
import { settle } from './invariants.ts';
import { processesOf } from './machine.ts';
import { expectedOf, flawsOf, openPlace, type DaemonChoice, type Place } from './place.ts';

const PRELOAD = fileURLToPath(new URL('../harness/kill-at.ts', import.meta.url));
const NAME = { sandboxId: 'sb', tag: 'work' };
/** More than any call takes: where it is reached, the steps are not counted. */
const MAX_STEPS = 200;

/** How a call is swept. */
export interface SweepOptions extends DaemonChoice {
  readonly call: 'open' | 'close';
  /** True where what the host has begun goes on a while before it is killed. */
  readonly isLate: boolean;
  /** True where the daemon speaks vhost-user, and is asked whether it does. */
  readonly isReal: boolean;
}

/** Where hosts were killed, and what the next one did not put in order. */
export interface Sweep {
  readonly steps: readonly string[];
  /** Steps after which the share was there still. */
  readonly survivals: number;
  readonly wrong: readonly string[];
}

/**
 * Kills a host before each step of a call, one host after the other, until the call is through without. After each the
 * next host must have the share, whole and at work, or nothing of it; and the first where the call was answered.
 */
export async function sweepWindows(options: SweepOptions): Promise<Sweep> {
  await using place = await openPlace(options);
  const steps: string[] = [];
  const wrong: string[] = [];
  let survivals = 0;
  let promised: boolean | undefined;
  for (let at = 1; at < MAX_STEPS; at++) {
    // oxlint-disable no-await-in-loop -- one host follows the other
    await using host = await place.start(armable(place));
    const { shares } = await host.shares.list({});
    const flaws = await judge(place, host, { shares, promised });
    const former = steps.at(-1) ?? 'the start';
    wrong.push(...flaws.map((flaw) => `Killed before step ${at - 1} (${former}): ${flaw}`));
    if (shares.length > 0) survivals++;
    await prepare(place, host, { shares, options });
    const death = await callUntilDeath(place, host, { at, ...options });
    if (!death) {
      await host.shares.close(NAME);
      wrong.push(...(await settle(() => place.violations(host, { shares: [] }))));
      return { steps, survivals, wrong };
    }
    promised = death.isAnswered ? options.call === 'open' : undefined;
    steps.push(death.step);
    // oxlint-enable no-await-in-loop
  }
  return { steps, survivals, wrong: [...wrong, 'The sweep was not finished'] };
}

/** Where {@link armable} hosts read before which step they are to be killed. */
export const killFile = ({ directory }: Place): string => join(directory, 'kill-at');

/** Options of a host that can be told so. */
export const armable = (place: Place) => ({
  nodeArguments: ['--import', PRELOAD],
  environment: { KILL_AT: killFile(place) },
});

async function judge(
  place: Place,
  host: ServeProcess,
  { shares, promised }: { shares: readonly Share[]; promised: boolean | undefined },
): Promise<string[]> {
  const lost = promised !== undefined && promised !== shares.length > 0;
  return [
    ...(lost ? [`the call was answered, and the share is ${promised ? 'lost' : 'there'}`] : []),
    ...shares.flatMap(flawsOf),
    ...(await settle(() => place.violations(host, { shares: shares.map(expectedOf) }))),
  ];
}

/** A share for a call that closes it, and none for one that opens it. */
async function prepare(
  place: Place,
  host: ServeProcess,
  { shares, options }: { shares: readonly Share[]; options: SweepOptions },
): Promise<void> {
  const [share] = shares;
  if (options.call === 'close') {
    if (share) return;
    await host.shares.open(NAME);
    // The host gets it ready in the background, by steps that would be counted.
    await eventually('a starter is ready', () =>
      processesOf(place.directory).some(({ command }) => command === '/bin/sh -s'),
    );
    return;
  }
  if (share && options.isReal) await askFeatures(share.socketPath);
  await host.shares.close(NAME);
}

interface Death {
  readonly step: string;
  /** True where the call was answered all the same. */
  readonly isAnswered: boolean;
}

/** Undefined where the host was not killed before it answered. */
async function callUntilDeath(
  place: Place,
  host: ServeProcess,
  { at, isLate, call }: { at: number; isLate: boolean; call: 'open' | 'close' },
): Promise<Death | undefined> {
  const file = killFile(place);
  // In one step, so that the host reads all of it.
  writeFileSync(file, isLate ? `${at} late` : `${at}`);
  const isAnswered = await (call === 'open' ? host.shares.open(NAME) : host.shares.close(NAME)).then(
    () => true,
    (error: unknown) => {
      if (!isGone(host.pid) && !stepOf(file)) throw error;
      return false;
    },
  );
  rmSync(file);
  const step = stepOf(file);
  if (step === undefined) return undefined;
  await host.end('SIGKILL');
  rmSync(`${file}.step`);
  return { step: step.replaceAll(place.directory, ''), isAnswered };
}

/** The step before which a host was killed; undefined where it was not. */
export function stepOf(file: string): string | undefined {
  try {
    return readFileSync(`${file}.step`, 'utf8');
  } catch {
    return undefined;
  }
}
