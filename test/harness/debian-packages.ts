import { appendFile, glob, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PACKAGE as NAME } from '../../src/package.ts';
import { makeDeb } from '../setup/release/deb.ts';
import { makeNodeTree } from '../setup/release/node-tree.ts';

/**
 * Our Debian package in two versions, 0.0.1 as `1.deb` and 0.0.2 as `2.deb`: other chunks, another
 * standard configuration, and a library for plugins that says so.
 */
export async function buildTwoDebs(target: string): Promise<void> {
  const tree = join(target, 'tree');
  await makeNodeTree(tree, { version: '0.0.1', nodeBinary: process.execPath });
  const pack = async (number: number): Promise<void> => {
    const version = `0.0.${number}`;
    const signal = new AbortController().signal;
    const file = await makeDeb(target, { tree, version, architecture: 'amd64', time: 0, signal });
    await rename(file, join(target, `${number}.deb`));
  };
  await pack(1);
  await renameChunks(join(tree, `usr/lib/${NAME}`));
  const library = join(tree, `usr/lib/${NAME}/src/plugin.js`);
  await writeFile(library, `globalThis.isOfVersion2 = true;\n${await readFile(library, 'utf8')}`);
  const packageFile = join(tree, `usr/lib/${NAME}/package.json`);
  await writeFile(packageFile, (await readFile(packageFile, 'utf8')).replace('0.0.1', '0.0.2'));
  await appendFile(join(tree, `usr/share/${NAME}/config.toml`), '# of version 2\n');
  await pack(2);
}

/** As if what they hold had changed. */
async function renameChunks(library: string): Promise<void> {
  const chunks = await Array.fromAsync(glob('src/*-????????.js', { cwd: library }));
  const names = chunks.map((path) => path.slice('src/'.length, -'.js'.length));
  const pattern = new RegExp(names.map((name) => RegExp.escape(name)).join('|'), 'g');
  for await (const file of glob('{src,plugin}/**/*.js', { cwd: library })) {
    const path = join(library, file);
    await writeFile(path, (await readFile(path, 'utf8')).replaceAll(pattern, '$&-v2'));
  }
  for (const name of names) {
    // oxlint-disable-next-line no-await-in-loop -- quick
    await rename(join(library, `src/${name}.js`), join(library, `src/${name}-v2.js`));
  }
}
