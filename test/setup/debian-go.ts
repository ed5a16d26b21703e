import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadPackages, withFreshLists } from './apt.ts';
import { debianRelease } from './debian.ts';
import type { SetupContext } from './part.ts';
import { SetupError } from './setup-error.ts';
import { runTool } from './tool.ts';
import { isAtLeast } from './version-order.ts';
import { versions } from './versions.ts';

/**
 * Unpacks Debian's newest Go below `directory`, its GOROOT as `root`, without installing anything. Where the release
 * itself has only an old one, its backports are asked, by lists of our own and from the mirror that apt uses.
 */
export async function downloadDebianGo(directory: string, context: SetupContext): Promise<void> {
  const release = await withFreshLists(() => newestGo([], context), context);
  if (isAtLeast(release, versions.oldestGo))
    return unpack({ directory, version: release, options: [] }, context);
  const options = await backports(join(directory, 'apt'), context);
  await runTool('apt-get', [...options, 'update'], context);
  const version = await newestGo(options, context);
  await unpack({ directory, version, options }, context);
  await rm(join(directory, 'apt'), { recursive: true });
}

/** Resolves to the newest `1.23` of the packages called golang-1.23-go. */
async function newestGo(options: readonly string[], context: SetupContext): Promise<string> {
  const names = await runTool('apt-cache', [...options, 'pkgnames', 'golang-1.'], context);
  const found = names.split('\n').flatMap((name) => /^golang-(1\.\d+)-go$/.exec(name)?.[1] ?? []);
  const newest = found.toSorted((a, b) => (isAtLeast(a, b) ? -1 : 1))[0];
  if (newest !== undefined) return newest;
  throw new SetupError(
    'The package lists know no Go: install Go from https://go.dev/dl, or run "apt-get update"',
  );
}

async function backports(directory: string, context: SetupContext): Promise<string[]> {
  const targets = await runTool(
    'apt-get',
    ['indextargets', '--format', '$(REPO_URI) $(RELEASE)', 'Created-By: Packages'],
    context,
  );
  const mirror = targets
    .split('\n')
    .find((line) => line.endsWith(` ${debianRelease()}`))
    ?.split(' ')[0];
  if (mirror === undefined)
    throw new SetupError('apt has no Debian mirror: install Go from https://go.dev/dl');
  await mkdir(join(directory, 'lists/partial'), { recursive: true });
  const list = join(directory, 'backports.list');
  await writeFile(list, `deb ${mirror} ${debianRelease()}-backports main\n`);
  const settings = [
    `Dir::Etc::SourceList=${list}`,
    'Dir::Etc::SourceParts=/dev/null',
    `Dir::State::Lists=${join(directory, 'lists')}`,
    `Dir::Cache::pkgcache=${join(directory, 'pkgcache')}`,
    `Dir::Cache::srcpkgcache=${join(directory, 'srcpkgcache')}`,
  ];
  return settings.flatMap((setting) => ['-o', setting]);
}

interface UnpackOptions {
  readonly directory: string;
  readonly version: string;
  readonly options: readonly string[];
}

async function unpack({ directory, version, options }: UnpackOptions, context: SetupContext): Promise<void> {
  const packages = [`golang-${version}-go`, `golang-${version}-src`];
  await downloadPackages([...options, ...packages], directory, context);
  for (const file of (await readdir(directory)).filter((entry) => entry.endsWith('.deb'))) {
    await runTool('dpkg', ['-x', join(directory, file), directory], context);
    await rm(join(directory, file));
  }
  await symlink(`usr/lib/go-${version}`, join(directory, 'root'));
}
