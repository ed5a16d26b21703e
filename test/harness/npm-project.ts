import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { buildNpmPackages } from '../setup/release/npm-packages.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A project that has our npm packages and nothing else. Disposal removes it. */
export interface NpmProject extends AsyncDisposable {
  readonly path: string;
  /** The files that npm would publish. */
  readonly packages: readonly string[];
}

/** Builds both packages and installs them from their files; what they depend on comes from the registry. */
export async function installNpmPackages(): Promise<NpmProject> {
  await using stack = new AsyncDisposableStack();
  const place = stack.use(await temporaryDirectory());
  const packages = await buildNpmPackages(join(place.path, 'npm'), new AbortController().signal);
  const project = join(place.path, 'project');
  await mkdir(project);
  await writeFile(join(project, 'package.json'), '{ "type": "module", "private": true }');
  const options = ['--prefer-offline', '--no-audit', '--no-fund'];
  await execa('npm', ['install', ...options, ...packages], { cwd: project, all: true });
  const owned = stack.move();
  return { path: project, packages, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
