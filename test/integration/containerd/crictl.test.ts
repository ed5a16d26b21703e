import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { crictl } from '../../harness/containerd/crictl.ts';
import { podWays, startPods } from '../../harness/containerd/pod-ways.ts';

// What a person at a node does with crictl, and what examples/containerd/README.md says of it. Needs root.

const POD = {
  metadata: { name: 'demo', namespace: 'apps', uid: '5d1c2c7e', attempt: 3 },
  labels: { app: 'demo' },
  annotations: { 'example.com/owner': 'team' },
  linux: {},
};

for (const way of podWays) {
  describe(`crictl by way of the ${way}`, () => {
    test('runs, lists, inspects, stops and removes a pod', async () => {
      const config = '[[shares]]\ntag = "work"\n';
      await using containerd = await startPods(way, { version: '2.4.2', config, cni: true });
      const file = join(containerd.dir, 'pod.json');
      await writeFile(file, JSON.stringify(POD));
      const id = await crictl(containerd, 'runp', '--runtime', 'virtiofs', file);

      const list = await crictl(containerd, 'pods', '--label', 'app=demo');
      assert.match(list, new RegExp(`^${id.slice(0, 13)} .* Ready +demo +apps +3 +virtiofs`, 'm'));

      const shown = JSON.parse(await crictl(containerd, 'inspectp', id)) as Shown;
      const [record] = await containerd.records();
      assert.equal(shown['share.work'].socketPath, record?.socketPath);
      assert.equal(shown['share.work'].pid, record?.pid);
      const socket = `socket,id=fs-work,path=${record?.socketPath}`;
      assert.ok((JSON.parse(shown['vmm.qemu']) as string[]).includes(socket), shown['vmm.qemu']);
      const { metadata, labels, annotations, state, network } = shown.status;
      assert.deepEqual({ metadata, labels, annotations, linux: {} }, POD);
      assert.equal(state, 'SANDBOX_READY');
      assert.match(network.ip, /^10\.88\.0\.\d+$/);

      await crictl(containerd, 'stopp', id);
      assert.match(await crictl(containerd, 'pods', '--state', 'NotReady'), / NotReady +demo /);
      await crictl(containerd, 'rmp', id);
      assert.equal(await crictl(containerd, 'pods', '--quiet'), '');
      assert.deepEqual(await containerd.leftovers(), []);
      assert.deepEqual(await containerd.network?.leftovers(), []);
    });
  });
}

interface Shown {
  readonly 'share.work': { readonly socketPath: string; readonly pid: number };
  /** crictl shows objects, and a list as its text. */
  readonly 'vmm.qemu': string;
  readonly status: Pick<typeof POD, 'metadata' | 'labels' | 'annotations'> & {
    readonly state: string;
    readonly network: { readonly ip: string };
  };
}
