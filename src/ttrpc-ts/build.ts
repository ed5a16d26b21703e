import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Compiles the package as npm gets it: `node build.ts [folder]`, by default into dist/package. */
const source = import.meta.dirname;
const target = process.argv[2] ?? join(source, 'dist/package');

rmSync(target, { recursive: true, force: true });
compile();
for (const file of ['README.md', 'LICENSE']) copyFileSync(join(source, file), join(target, file));
writeFileSync(join(target, 'package.json'), `${JSON.stringify(makeManifest(), undefined, 2)}\n`);

function compile(): void {
  const compiler = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin/tsc');
  const args = [compiler, '-p', join(source, 'tsconfig.build.json'), '--outDir', target];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** The development manifest with the repository's version, and the compiled files in place of the sources. */
function makeManifest(): object {
  const { scripts: _, ...manifest } = readManifest(source);
  const { version } = readManifest(join(source, '../..'));
  return {
    ...manifest,
    version,
    types: './index.d.ts',
    exports: {
      '.': { types: './index.d.ts', default: './index.js' },
      './package.json': './package.json',
    },
    sideEffects: false,
  };
}

interface Manifest {
  readonly version?: string;
  readonly scripts?: unknown;
  readonly [key: string]: unknown;
}

function readManifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
}
