import { createHash } from 'node:crypto';
import { cp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { PACKAGE as NAME } from '../../../src/package.ts';
import type { NodePackage } from './packages.ts';
import { BEST, put } from './put.ts';
import { settleModes } from './settle-modes.ts';

/** Configuration of the machine that dpkg asks about before it replaces what an administrator has changed. */
const CONFIGURATION = `etc/${NAME}/config.toml`;

const MAINTAINER = `The ${NAME} authors <noreply@invalid>`;

/** Each begins with the functions of `debian/state.sh`. */
const SCRIPTS = ['postinst', 'prerm', 'postrm'];

/** Makes a Debian package of the tree. Resolves to its path. */
export async function makeDeb(
  target: string,
  { tree, version, architecture, time, signal }: NodePackage,
): Promise<string> {
  const place = join(target, 'deb');
  await rm(place, { recursive: true, force: true });
  await cp(tree, place, { recursive: true, verbatimSymlinks: true });
  await put(join(place, CONFIGURATION), await readFile(join(tree, `usr/share/${NAME}/config.toml`)));
  await put(join(place, `usr/share/doc/${NAME}/changelog.gz`), gzipSync(changelogOf(version, time), BEST));
  // As Debian orders versions, what comes before a release.
  const ordered = version.replace('-', '~');
  const files = await filesOf(place);
  const write = (name: string, text: string, mode?: number): Promise<void> =>
    put(join(place, 'DEBIAN', name), text, mode);
  await write('conffiles', `/${CONFIGURATION}\n`);
  await write('md5sums', files.map(({ name, md5 }) => `${md5}  ${name}\n`).join(''));
  const kib = Math.ceil(files.reduce((sum, { size }) => sum + size, 0) / 1024);
  await write('control', controlOf({ version: ordered, architecture, kib }));
  for (const script of SCRIPTS) {
    // oxlint-disable-next-line no-await-in-loop -- three
    await write(script, await scriptOf(script), 0o755);
  }
  await settleModes(place);
  const file = join(target, `${NAME}_${ordered}_${architecture}.deb`);
  // One thread: the number of them is in the bytes.
  await execa('dpkg-deb', ['--root-owner-group', '-Zzstd', '--threads-max=1', '--build', place, file], {
    cancelSignal: signal,
    env: { SOURCE_DATE_EPOCH: String(time) },
  });
  await rm(place, { recursive: true });
  return file;
}

async function scriptOf(name: string): Promise<string> {
  const texts = await Promise.all(
    ['state.sh', name].map((file) => readFile(join(import.meta.dirname, 'debian', file), 'utf8')),
  );
  return ['#!/bin/sh\n', ...texts].join('');
}

/** In Debian's form; what has changed stands in the project's own. */
const changelogOf = (
  version: string,
  time: number,
): string => `${NAME} (${version.replace('-', '~')}) unstable; urgency=medium

  * /usr/share/doc/${NAME}/CHANGELOG.md.gz says what has changed.

 -- ${MAINTAINER}  ${new Date(time * 1000).toUTCString().replace('GMT', '+0000')}
`;

/** What Node.js 26 needs of the system besides what every Debian has, and mounts do. */
const controlOf = ({
  version,
  architecture,
  kib,
}: {
  version: string;
  architecture: string;
  kib: number;
}): string => `Package: ${NAME}
Version: ${version}
Architecture: ${architecture}
Section: admin
Priority: optional
Maintainer: ${MAINTAINER}
Installed-Size: ${kib}
Depends: libatomic1, libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 6), mount
Recommends: virtiofsd | qemu-system-common
Suggests: containerd, quota
Description: shares host directories with VM sandboxes over virtio-fs
 A plugin host for containerd: a sandbox controller and a shim that start,
 watch, adopt and end a virtiofsd or nydusd for each share of a sandbox.
`;

async function filesOf(directory: string): Promise<{ name: string; md5: string; size: number }[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(
    paths.toSorted().map(async (path) => ({
      name: path.slice(directory.length + 1),
      md5: createHash('md5')
        .update(await readFile(path))
        .digest('hex'),
      size: (await stat(path)).size,
    })),
  );
}
