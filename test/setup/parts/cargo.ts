import { join } from 'node:path';
import { installPackages } from '../apt.ts';
import { debianRelease } from '../debian.ts';
import { findProgram } from '../find-program.ts';
import type { Part, SetupContext } from '../part.ts';
import { withProgress } from '../progress.ts';
import { UnavailableError } from '../setup-error.ts';
import { runTool } from '../tool.ts';
import { isAtLeast } from '../version-order.ts';
import { versions } from '../versions.ts';
import { cc } from './cc.ts';

/** The path of a `cargo` that compiles what set-up builds: the machine's, or Debian 13's. */
export const cargo: Part<string> = {
  description: `cargo ${versions.oldestCargo} or newer, the machine's or Debian 13's`,
  async obtain(context) {
    const found = findProgram('cargo');
    const version = found === undefined ? undefined : await versionOf(found, context);
    if (found !== undefined && isAtLeast(version ?? '', versions.oldestCargo)) return found;
    if (debianRelease() === 'trixie') {
      await withProgress('Installing cargo from Debian', () => installPackages(['cargo'], context));
      return '/usr/bin/cargo';
    }
    const problem = version === undefined ? 'No cargo' : `cargo ${version} is too old`;
    throw new UnavailableError(
      `${problem}: install ${versions.oldestCargo} or newer with rustup (https://rustup.rs)`,
    );
  },
};

/** Has cargo build programs into `directory`/bin: `crate` is what `cargo install` takes to find them. */
export async function cargoInstall(
  { directory, crate }: { readonly directory: string; readonly crate: readonly string[] },
  context: SetupContext,
): Promise<void> {
  const command = await cargo.obtain(context);
  await cc.obtain(context);
  const target = join(directory, 'target');
  const args = ['install', '--locked', '--root', directory, '--target-dir', target];
  await runTool(command, [...args, ...crate], context);
  await runTool('rm', ['-r', target], context);
}

async function versionOf(path: string, context: SetupContext): Promise<string | undefined> {
  return /\d+\.\d+\.\d+/.exec(await runTool(path, ['--version'], context))?.[0];
}
