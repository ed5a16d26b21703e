import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir } from './cache-dir.mjs';
import { parts, type Parts } from './parts/index.ts';
import { UnavailableError } from './setup-error.ts';

/** Names of the parts. */
export type PartName = keyof Parts;

const neverAborted = new AbortController().signal;
const underWay: { [N in PartName]?: Promise<Parts[N]> } = {};

/**
 * Resolves to where a part is (mostly a path), after getting or building it where this machine lacks it.
 * Rejects with an UnavailableError where the machine cannot have it, and with a SetupError that names the remedy
 * where it could.
 */
export async function obtain<N extends PartName>(
  name: N,
  { signal = neverAborted }: { readonly signal?: AbortSignal } = {},
): Promise<Parts[N]> {
  const running: { [K in N]?: Promise<Parts[K]> } = underWay;
  return (running[name] ??= start(name, signal));
}

async function start<N extends PartName>(name: N, signal: AbortSignal): Promise<Parts[N]> {
  const log = join(cacheDir(), 'log', `${name}.log`);
  await writeFile(log, '');
  return parts[name].obtain({ signal, log });
}

/** A part, or the reason for `skip` of node:test why this machine cannot have it. */
export type ObtainedOrSkip<T> =
  | { readonly part: T; readonly skip: false }
  | { readonly part: undefined; readonly skip: string };

/** Does what {@link obtain} does, but resolves to the reason where the machine cannot have the part. */
export async function obtainOrSkip<N extends PartName>(name: N): Promise<ObtainedOrSkip<Parts[N]>> {
  try {
    return { part: await obtain(name), skip: false };
  } catch (error) {
    if (error instanceof UnavailableError) return { part: undefined, skip: error.message };
    throw error;
  }
}
