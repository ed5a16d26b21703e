import assert from 'node:assert/strict';
import { readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { execa } from 'execa';
import { ConfigMap, Pod } from 'kubernetes-models/v1';
import { DaemonSet } from 'kubernetes-models/apps/v1';
import { RuntimeClass } from 'kubernetes-models/node.k8s.io/v1';
import { parse as parseToml } from 'smol-toml';
import { parseAllDocuments } from 'yaml';
import { parseConfig } from '../../../src/config/read.ts';
import { exampleFile } from '../../harness/containerd/examples.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

// examples/kubernetes, as far as it goes without a cluster.

const root = join(import.meta.dirname, '../../..');
const kinds = { ConfigMap, DaemonSet, Pod, RuntimeClass };
const modules = {
  ConfigMap: 'v1',
  DaemonSet: 'apps/v1',
  Pod: 'v1',
  RuntimeClass: 'node.k8s.io/v1',
} as const satisfies Record<keyof typeof kinds, string>;

interface Resource {
  readonly kind: keyof typeof kinds;
  readonly apiVersion: string;
}

async function resourcesOf(file: string): Promise<Resource[]> {
  const documents = parseAllDocuments(await readFile(exampleFile(`kubernetes/${file}`), 'utf8'), {
    strict: true,
  });
  return documents.map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS() as Resource;
  });
}

const files = ['daemonset.yaml', 'pod.yaml', 'runtime-class.yaml'];
const resources = (await Promise.all(files.map(resourcesOf))).flat();
const find = <K extends keyof typeof kinds>(kind: K): InstanceType<(typeof kinds)[K]> =>
  resources.find((resource) => resource.kind === kind) as unknown as InstanceType<(typeof kinds)[K]>;

test('examples/kubernetes: every file is there and holds what its schema allows', async () => {
  const names = await readdir(exampleFile('kubernetes'));
  assert.deepEqual(names.filter((name) => name.endsWith('.yaml')).toSorted(), files);
  for (const resource of resources) {
    assert.ok(resource.kind in kinds, resource.kind);
    assert.equal(resource.apiVersion, kinds[resource.kind].apiVersion);
    new kinds[resource.kind](resource as never).validate();
  }
});

test('examples/kubernetes: no key is unknown to Kubernetes, which would ignore it', async () => {
  await using place = await temporaryDirectory();
  await symlink(join(root, 'node_modules'), join(place.path, 'node_modules'));
  // The schemas let pass what they do not know; types do not.
  const check = async (text: string): Promise<string> => {
    const lines = resources.map(({ kind }, index) => {
      const json = JSON.stringify(resources[index]);
      return `import type { I${kind} as K${index} } from 'kubernetes-models/${modules[kind]}';\nexport const r${index}: K${index} = ${json};`;
    });
    const file = join(place.path, 'resources.ts');
    await writeFile(file, lines.join('\n').replace('"hostPID"', text));
    const args = ['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', file];
    const { all } = await execa(join(root, 'node_modules/.bin/tsc'), args, {
      reject: false,
      all: true,
      env: { PATH: process.env['PATH'] },
    });
    return all;
  };
  assert.equal(await check('"hostPID"'), '');
  assert.match(await check('"hostPid"'), /'"hostPid"' does not exist in type 'IPodSpec'/);
});

test('examples/kubernetes: its parts fit together, and the example of containerd', async () => {
  const runtimeClass = find('RuntimeClass');
  const pods = find('DaemonSet').spec?.template.spec;
  assert.equal(find('Pod').spec?.runtimeClassName, runtimeClass.metadata?.name);
  assert.deepEqual(pods?.nodeSelector, runtimeClass.scheduling?.nodeSelector);
  const text = await readFile(exampleFile('containerd/containerd.toml'), 'utf8');
  assert.ok(
    text.includes(`[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.${runtimeClass.handler}]`),
  );
  const config = find('ConfigMap');
  assert.equal(pods?.volumes?.find(({ name }) => name === 'config')?.configMap?.name, config.metadata?.name);
  const { grpc, shares } = parseConfig(parseToml(config.data?.['config.toml'] ?? ''));
  assert.deepEqual([grpc, shares.map(({ tag }) => tag)], [{}, ['scratch']]);
});
