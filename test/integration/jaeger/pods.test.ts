import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';

import { CONTROLLER, startControllerContainerd } from '../../harness/containerd/controller-containerd.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { startJaeger } from '../../harness/containerd/jaeger.ts';
import { hostNetworkPod } from '../../harness/containerd/pods.ts';
import { RuntimeService } from '../../harness/containerd/proto/cri_pb.ts';
import { ancestry, outline, tree } from '../../harness/containerd/span-tree.ts';

// A kubelet's trace through containerd's CRI down to a daemon, in a real Jaeger. Needs root.

const service = 'containerd-shim-virtiofs';
const callerSpanId = '00000000000000a1';

const ways = {
  controller: { sandboxer: CONTROLLER, create: 'containerd.services.sandbox.v1.Controller/Create' },
  shim: { sandboxer: 'shim', create: 'containerd.runtime.sandbox.v1.Sandbox/CreateSandbox' },
};

for (const [way, { sandboxer, create }] of Object.entries(ways)) {
  test(`Jaeger shows a pod by the ${way} in one trace, from CRI's caller to the spawn of its virtiofsd`, async () => {
    await using jaeger = await startJaeger();
    await using containerd = await startControllerContainerd({
      version: '2.4.2',
      config: `[trace]\nendpoint = "${jaeger.otlpEndpoint}"\ntimeout_ms = 60000\n[[shares]]\ntag = "work"`,
      runtimes: { virtiofs: { sandboxer } },
      env: jaeger.exportEnv,
    });
    using grpc = connectGrpc(containerd.address);
    const traceId = randomBytes(16).toString('hex');
    const metadata = { traceparent: `00-${traceId}-${callerSpanId}-01` };
    const { runPodSandbox, stopPodSandbox, removePodSandbox } = RuntimeService.method;
    const request = { config: hostNetworkPod({ name: 'pod' }), runtimeHandler: 'virtiofs' };
    const { podSandboxId } = await grpc.unary(runPodSandbox, request, { metadata });

    const cri = 'runtime.v1.RuntimeService/RunPodSandbox';
    const spans = await jaeger.findTrace(traceId, {
      until: (found) =>
        found.some(({ name }) => name === cri) &&
        found.some((span) => span.service === service && span.name === create),
    });
    const text = outline(tree(spans));
    const [spawn, ...others] = spans.filter(({ name }) => name === 'virtiofsd.spawn');
    assert.ok(spawn && others.length === 0, text);
    const chain = ancestry(spans, spawn);
    assert.deepEqual(
      chain.slice(0, 5).map((span) => `${span.service}: ${span.name}`),
      [
        `${service}: virtiofsd.spawn`,
        `${service}: virtiofsd.start`,
        `${service}: sandbox.create`,
        `${service}: ${create}`,
        `containerd: ${create}`,
      ],
      text,
    );
    assert.equal(chain.at(-1)?.name, cri);
    assert.equal(chain.at(-1)?.parentSpanId, callerSpanId);
    assert.equal(spawn.attributes['sandbox.id'], podSandboxId);
    assert.equal(spawn.attributes['containerd.namespace'], 'k8s.io');

    await grpc.unary(stopPodSandbox, { podSandboxId });
    await grpc.unary(removePodSandbox, { podSandboxId });
    assert.deepEqual(await containerd.leftovers(), []);
  });
}
