import { execa } from 'execa';
import { shellWords } from '../../src/cli/shell-words.ts';
import { SHIM_VIRTIOFS } from './shim-virtiofs.ts';

/** Runs `shim-virtiofs` on a terminal of its own; returns the lines that it shows. */
export async function runOnTerminal({ columns }: { columns: number }, ...args: string[]): Promise<string[]> {
  const words = shellWords([process.execPath, '--no-warnings', SHIM_VIRTIOFS, ...args]);
  const command = `stty cols ${columns}; exec ${words}`;
  const { stdout } = await execa('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    stdin: 'ignore',
  });
  // A terminal begins each line at its left.
  return stdout.split(/\r*\n/).map((line) => line.replace(/\r$/, ''));
}
