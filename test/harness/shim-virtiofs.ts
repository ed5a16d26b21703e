import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

/** The program `shim-virtiofs`. */
export const SHIM_VIRTIOFS: string = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** How a program ended, and what it said. */
export interface Ended {
  readonly exitCode?: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `shim-virtiofs` to its end. */
export const runShimVirtiofs = (...args: string[]): Promise<Ended> =>
  execa(process.execPath, ['--no-warnings', SHIM_VIRTIOFS, ...args], { reject: false });
