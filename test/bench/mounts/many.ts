import { timed } from '../timed.ts';
import { COMPARED, MOUNTS } from './sizes.ts';

/** Mounts something under a number. */
export type MountOne = (index: number) => Promise<unknown>;

/** What {@link compareMany} found. */
export interface Growth {
  readonly samples: Record<string, number[]>;
  /** Which row is compared with which. */
  readonly peers: Record<string, string>;
}

/** Mounts many by each of these, in turn, and adds how long the first and the last of them took. */
export async function compareMany(
  mounters: Readonly<Record<string, MountOne>>,
  { growth, signal }: { growth: Growth; signal: AbortSignal },
): Promise<void> {
  const times = Object.keys(mounters).map((who) => ({ who, of: [] as number[] }));
  for (let index = 0; index < MOUNTS; index++)
    for (const { who, of } of times) {
      signal.throwIfAborted();
      // oxlint-disable-next-line no-await-in-loop -- what runs beside a measurement is part of it
      of.push(await timed(async () => mounters[who]?.(index)));
    }
  for (const { who, of } of times) {
    const [first, last] = ['first', 'last'].map(
      (which) => `the ${which} ${COMPARED} of ${MOUNTS}, ${who}`,
    ) as [string, string];
    (growth.samples[first] ??= []).push(...of.slice(0, COMPARED));
    (growth.samples[last] ??= []).push(...of.slice(-COMPARED));
    growth.peers[last] = first;
  }
}
