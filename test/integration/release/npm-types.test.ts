import assert from 'node:assert/strict';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { execa } from 'execa';
import { installNpmPackages } from '../../harness/npm-project.ts';
import { root } from '../../setup/release/root.ts';

// What npm would publish, as TypeScript sees it. Installs dependencies from the registry.

const project = await installNpmPackages();
after(() => project[Symbol.asyncDispose]());

/** A program with all entries; its mistake must be one. */
const ALL = `import { openHost, qemuArguments, type Host, type Share } from 'containerd-shim-virtiofs';
import { openShare, type CreateProvider } from 'containerd-shim-virtiofs/plugin';
import * as nydus from 'containerd-shim-virtiofs/nydus';
import * as virtiofs from 'containerd-shim-virtiofs/virtiofs';
import { connect, Code, StatusError } from 'ttrpc-ts';
export const all = [openHost, qemuArguments, openShare, nydus.createProvider, virtiofs.createProvider, connect, StatusError];
export const code: Code = Code.NotFound;
export type All = Host | Share | CreateProvider<{ readonly key: string }>;
// @ts-expect-error -- the types are there, and not any
await openHost({ config: { version: 'one' } });
`;

describe('the types of the npm packages', () => {
  for (const compilerOptions of [
    { module: 'nodenext', moduleResolution: 'nodenext' },
    { module: 'node16', moduleResolution: 'node16' },
    { module: 'esnext', moduleResolution: 'bundler' },
  ]) {
    test(`hold strictly, with those of dependencies, for moduleResolution ${compilerOptions.moduleResolution}`, async () => {
      const place = join(project.path, compilerOptions.moduleResolution);
      await mkdir(place);
      for (const example of ['library', 'provider'])
        await cp(join(root, 'examples', example), join(place, example), { recursive: true });
      await writeFile(join(place, 'all.ts'), ALL);
      const typeRoots = [join(root, 'node_modules/@types')];
      const own = { typeRoots, skipLibCheck: false, rewriteRelativeImportExtensions: false };
      const config = {
        extends: join(root, 'tsconfig.json'),
        compilerOptions: { ...compilerOptions, ...own },
        include: ['.'],
      };
      await writeFile(join(place, 'tsconfig.json'), JSON.stringify(config));
      const compiler = join(root, 'node_modules/.bin/tsc');
      const { all } = await execa(compiler, ['-p', place], { all: true, reject: false });
      assert.equal(all, '');
    });
  }
});
