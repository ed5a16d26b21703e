import { type Code, StatusError } from 'ttrpc-ts';
import type { KnownShare, World } from '../world.ts';

/** Something that can happen. */
export interface Step {
  readonly name: string;
  /** How often it is drawn, beside the others. */
  readonly weight: number;
  /** Resolves to what was done, in a few words; undefined where there was nothing to do it to. Throws where it went wrong. */
  run(world: World): Promise<string | undefined>;
}

/** What the walk calls its shares. */
export const SANDBOXES = ['a', 'b', 'c', 'd', 'e'];
export const TAGS = ['one', 'two', 'three'];

/** One of those that are there and fulfil the condition. */
export function pickShare(world: World, isWanted: (share: KnownShare) => boolean): KnownShare | undefined {
  const wanted = [...world.shares.values()].filter(isWanted);
  return wanted.length === 0 ? undefined : world.random.pick(wanted);
}

/** The name of a share that may be there. */
export const pickName = ({ random }: World) => ({
  sandboxId: random.pick(SANDBOXES),
  tag: random.pick(TAGS),
});

/** Resolves to the code that a call failed with; undefined where it did not fail. Throws what is no status. */
export async function codeOf(call: Promise<unknown>): Promise<Code | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (StatusError.is(error)) return error.code;
    throw error;
  }
}

/** Says that something is not as it has to be. */
export function require(condition: boolean, problem: string): asserts condition {
  if (!condition) throw new Error(problem);
}
