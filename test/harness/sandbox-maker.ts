import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { lockFile } from '../../src/proc/flock.ts';
import { eventually } from './eventually.ts';
import { fixture } from './fixtures.ts';

/** What became of a program that was to make a sandbox. */
export interface MadeSandbox {
  /** Of the daemons, in the order of the tags; undefined where it was killed before it had made the sandbox. */
  readonly pids: readonly number[] | undefined;
  /** What else it has printed. */
  readonly output: readonly string[];
}

/**
 * Has a program of its own make the sandbox `sb` with these shares, and kills it when it has, or before
 * the step `killAt.step`.
 */
export async function makeSandboxAndDie(
  state: string,
  tags: readonly string[],
  killAt?: { readonly file: string; readonly step: number },
): Promise<MadeSandbox> {
  const preload = killAt ? ['--import', new URL('kill-at.ts', import.meta.url).pathname] : [];
  const program = execa(process.execPath, [...preload, fixture('makes-sandbox.ts'), state, ...tags], {
    all: true,
    reject: false,
    env: killAt ? { KILL_AT: killAt.file, AT: String(killAt.step) } : {},
  });
  const output: string[] = [];
  let pids: readonly number[] | undefined;
  for await (const line of createInterface(program.all)) {
    if (!line.startsWith('[')) output.push(line);
    else {
      pids = JSON.parse(line) as number[];
      program.kill('SIGKILL');
    }
  }
  const { signal } = await program;
  if (signal !== 'SIGKILL') throw new Error(`It ended by itself: ${output.join('\n')}`);
  await eventually('its lock is free', () => isFree(join(state, 'host.lock')));
  return { pids, output };
}

/** The holder of a lock sees a little later that its host has died. */
const isFree = async (lock: string): Promise<boolean> =>
  lockFile(lock).then(
    async (held) => {
      await held[Symbol.asyncDispose]();
      return true;
    },
    () => false,
  );
