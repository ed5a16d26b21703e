import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SetupError } from '../setup-error.ts';
import { root } from './root.ts';

/**
 * Resolves to the version that is released, which stands in package.json alone.
 *
 * @throws SetupError where the changelog of `directory` says nothing of it
 */
export async function versionToRelease(directory: string = root): Promise<string> {
  const read = (name: string): Promise<string> => readFile(join(directory, name), 'utf8');
  const { version } = JSON.parse(await read('package.json')) as { version: string };
  const headings = (await read('CHANGELOG.md')).split('\n').filter((line) => line.startsWith('## '));
  // A date or a name may follow.
  if (headings.some((line) => line.split(' ')[1] === version)) return version;
  throw new SetupError(
    `CHANGELOG.md has no heading "## ${version}", the version in package.json: write it, or change the version there`,
  );
}
