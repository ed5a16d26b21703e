import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { makeDeb } from '../release/deb.ts';
import { nodeBinaryFor } from '../release/node-binary-for.ts';
import { makeNodeTree } from '../release/node-tree.ts';
import { buildNpmPackages } from '../release/npm-packages.ts';
import { makeArchive, type Architecture } from '../release/packages.ts';
import { root } from '../release/root.ts';
import { sbom } from '../release/sbom.ts';
import { versionToRelease } from '../release/version.ts';
import { SetupError } from '../setup-error.ts';
import type { Command } from './command.ts';

const ARCHITECTURES: readonly Architecture[] = ['amd64', 'arm64'];
const target = join(root, 'dist');

/** Builds all that is published: for programs two npm packages, for nodes an archive and a Debian package. */
export const release: Command = {
  synopsis: ['[architecture…]', `build what is published into dist/, for ${ARCHITECTURES.join(' and ')}`],
  async run({ args, signal }) {
    const unknown = args.find((arg) => !(ARCHITECTURES as readonly string[]).includes(arg));
    if (unknown !== undefined)
      throw new SetupError(`Unknown architecture "${unknown}": there are ${ARCHITECTURES.join(', ')}`);
    const version = await versionToRelease();
    const time = await timeOfRelease();
    await rm(target, { recursive: true, force: true });
    await mkdir(target);
    const built = await buildNpmPackages(join(target, 'npm'), signal);
    // Beside the others, where SHA256SUMS names it.
    const files = built.map((file) => join(target, basename(file)));
    await Promise.all(built.map((file) => rename(file, join(target, basename(file)))));
    for (const architecture of args.length > 0 ? (args as Architecture[]) : ARCHITECTURES) {
      const tree = join(target, architecture);
      // oxlint-disable no-await-in-loop -- each takes all processors
      await makeNodeTree(tree, {
        version,
        nodeBinary: await nodeBinaryFor(architecture, { target, signal }),
      });
      const contents = { tree, version, architecture, time, signal };
      files.push(await makeDeb(target, contents), await makeArchive(target, contents));
      // oxlint-enable no-await-in-loop
    }
    const bill = join(target, 'sbom.cdx.json');
    await writeFile(bill, await sbom());
    files.push(bill);
    const sums = await Promise.all(files.map(sumOf));
    await writeFile(join(target, 'SHA256SUMS'), sums.join(''));
    for (const file of files) console.log(file);
    return 0;
  },
};

/** That of the last commit; a fixed one for a tree without history. */
async function timeOfRelease(): Promise<number> {
  const { stdout, exitCode } = await execa('git', ['log', '-1', '--format=%ct'], {
    cwd: root,
    reject: false,
  });
  return exitCode === 0 ? Number(stdout) : 0;
}

async function sumOf(file: string): Promise<string> {
  const sum = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  return `${sum}  ${basename(file)}\n`;
}
