import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { runCritest, WITHOUT_CONTAINERS } from '../../harness/containerd/critest.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { startPods, podWays } from '../../harness/containerd/pod-ways.ts';
import { RuntimeService } from '../../harness/containerd/proto/cri_pb.ts';

// The conformance tests of Kubernetes: their pods have addresses on a bridge, and a share of the configuration. Needs root.

for (const way of podWays) {
  for (const version of containerdVersions) {
    describe(`critest by way of the ${way} on containerd ${version}`, () => {
      test('passes all specs that need no container, and nothing of them remains', async () => {
        const config = '[[shares]]\ntag = "work"\n';
        await using containerd = await startPods(way, { version, config, cni: true, nri: true });
        const specs = await runCritest(containerd, { ...WITHOUT_CONTAINERS, handler: 'virtiofs' });
        assert.deepEqual(
          specs.filter(({ state }) => state !== 'passed'),
          [],
        );
        assert.equal(specs.length, 16, specs.map(({ name }) => name).join('\n'));

        using grpc = connectGrpc(containerd.address);
        assert.deepEqual((await grpc.unary(RuntimeService.method.listPodSandbox, {})).items, []);
        assert.deepEqual(await containerd.leftovers(), []);
        assert.deepEqual(await containerd.network?.leftovers(), []);
      });
    });
  }
}
