import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { CONTROLLER, startControllerContainerd } from '../../harness/containerd/controller-containerd.ts';
import { connectGrpc, type GrpcConnection } from '../../harness/containerd/grpc.ts';
import { startJaeger, type Jaeger } from '../../harness/containerd/jaeger.ts';
import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { createSandbox, removeSandbox } from '../../harness/containerd/sandboxes.ts';
import {
  specOf,
  startShimContainerd,
  type ShimContainerd,
} from '../../harness/containerd/shim-containerd.ts';
import { ancestry, outline, tree } from '../../harness/containerd/span-tree.ts';
import type { Span } from '../../harness/containerd/spans.ts';
import { runGuest } from '../../harness/guest/run-guest.ts';
import { qemuArguments } from '../../../src/vmm/qemu.ts';

// A caller's trace through containerd into the host, by the shim and by the controller, in a real Jaeger. Needs root.

const service = 'containerd-shim-virtiofs';
const controllerRpc = 'containerd.services.sandbox.v1.Controller';
const callerSpanId = '00000000000000a1';

/** How a call of containerd's client reaches the host. */
interface Way {
  readonly start: typeof startShimContainerd;
  readonly sandboxer: string;
  readonly system: 'ttrpc' | 'grpc';
  /** The host's methods, and so the names of its spans. */
  readonly rpc: Readonly<Record<'create' | 'start' | 'stop' | 'shutdown' | 'wait', string>>;
  /** Whether containerd itself has the host remove what it could not create. */
  readonly isShutDownWhenFailed: boolean;
}

const methodsOf = (typeName: string, suffix: string): Way['rpc'] => ({
  create: `${typeName}/Create${suffix}`,
  start: `${typeName}/Start${suffix}`,
  stop: `${typeName}/Stop${suffix}`,
  shutdown: `${typeName}/Shutdown${suffix}`,
  wait: `${typeName}/Wait${suffix}`,
});

const ways: Readonly<Record<string, Way>> = {
  shim: {
    start: startShimContainerd,
    sandboxer: 'shim',
    system: 'ttrpc',
    rpc: methodsOf('containerd.runtime.sandbox.v1.Sandbox', 'Sandbox'),
    isShutDownWhenFailed: true,
  },
  controller: {
    start: startControllerContainerd,
    sandboxer: CONTROLLER,
    system: 'grpc',
    rpc: methodsOf(controllerRpc, ''),
    isShutDownWhenFailed: false,
  },
};

const cases = containerdVersions.flatMap((version) =>
  Object.entries(ways).map(([name, way]) => ({ version, name, way })),
);

for (const { version, name: wayName, way } of cases) {
  const { rpc, sandboxer, system } = way;
  describe(`Jaeger shows in one trace through containerd ${version} and the ${wayName}`, () => {
    test('the life of a sandbox that a guest uses, down to the spawn of its virtiofsd', async () => {
      await using traced = await startTraced(version, way);
      const { containerd, grpc, jaeger, traceId, metadata } = traced;
      const source = await containerd.source('work');
      const sandbox = { sandboxId: 'sb', sandboxer };
      await createSandbox(grpc, { id: 'sb', spec: specOf({ work: source }), sandboxer }, { metadata });
      const { pid } = await grpc.unary(Controller.method.start, sandbox, { metadata });
      const [record] = await containerd.records();
      const guest = await runGuest({
        script: 'set -e; mount -t virtiofs work /mnt; echo from the guest > /mnt/file; umount /mnt',
        qemuArguments: qemuArguments(
          [{ tag: 'work', socketPath: record?.socketPath ?? '', queueSize: 1024 }],
          { memoryMiB: 256 },
        ),
      });
      assert.equal(guest.code, 0, guest.output);
      assert.equal(await readFile(join(source, 'file'), 'utf8'), 'from the guest\n');
      await removeSandbox(grpc, 'sb', { metadata });

      const spans = await jaeger.findTrace(traceId, {
        until: (found) => has(found, rpc.shutdown),
      });
      const spawn = only(spans, 'virtiofsd.spawn');
      const chain = ancestry(spans, spawn);
      assert.deepEqual(
        chain.map((span) => `${span.service}: ${span.name}`),
        [
          `${service}: virtiofsd.spawn`,
          `${service}: virtiofsd.start`,
          `${service}: sandbox.create`,
          `${service}: ${rpc.create}`,
          `containerd: ${rpc.create}`,
          `containerd: ${controllerRpc}/Create`,
        ],
        outline(tree(spans)),
      );
      assert.equal(chain.at(-1)?.parentSpanId, callerSpanId);
      assert.equal(chain[3]?.kind, 'server');

      for (const span of spans.filter((candidate) => candidate.service === service)) {
        const { source: from, package: name, subsystem, ...attributes } = span.attributes;
        const made = [/^virtiofsd\./, /^sandbox\./].findIndex((names) => names.test(span.name));
        const maker = ['virtiofsd', 'virtiofs'][made] ?? 'host';
        assert.deepEqual([from, name, subsystem], ['runtime', service, maker], span.name);
        assert.equal(attributes['sandbox.id'], 'sb', span.name);
        assert.equal(attributes['containerd.namespace'], 'default', span.name);
        assert.equal(span.status.code, 'unset', span.name);
        assert.ok(span.endNs > span.startNs, span.name);
      }
      assert.equal(spawn.attributes['process.pid'], pid);
      const start = only(spans, 'virtiofsd.start');
      assert.equal(start.attributes['process.pid'], pid);
      assert.equal(start.attributes['virtiofsd.socket_path'], record?.socketPath);
      assert.equal(start.attributes['virtiofsd.shared_dir'], source);
      // What is inside of another span lies inside of it in time, to the microsecond.
      for (const [inner, outer] of chain
        .slice(0, 4)
        .map((span, index) => [span, chain[index + 1]] as const)) {
        if (outer === undefined || outer.service !== service) continue;
        assert.ok(inner.startNs >= outer.startNs, `${inner.name} starts in ${outer.name}`);
        assert.ok(inner.endNs <= outer.endNs, `${inner.name} ends in ${outer.name}`);
      }
      for (const name of [rpc.start, rpc.stop, rpc.shutdown])
        assert.equal(ancestry(spans, only(spans, name, service)).at(-1)?.parentSpanId, callerSpanId);

      // The daemon ended when its guest did: a trace of its own, linked to its start.
      const quits = await jaeger.findTraces({ service, operation: 'virtiofsd.quit' });
      const quit = only(quits, 'virtiofsd.quit');
      assert.deepEqual(
        quit.links.map((link) => [link.traceId, link.spanId]),
        [[traceId, start.spanId]],
      );
      assert.equal(quit.attributes['virtiofsd.quit.expected'], true);
      // The wait for its end lasts as long as the sandbox, and metrics are polled: neither is a span.
      assert.ok(!has(spans, rpc.wait));
    });

    test("a create that fails, with the reason in the host's spans", async () => {
      await using traced = await startTraced(version, way);
      const { grpc, jaeger, traceId, metadata } = traced;
      const spec = specOf({ work: '/nowhere/at/all' });
      await assert.rejects(createSandbox(grpc, { id: 'sb', spec, sandboxer }, { metadata }), { code: 5 });
      const spans = await jaeger.findTrace(traceId, {
        until: (found) => has(found, way.isShutDownWhenFailed ? rpc.shutdown : rpc.create),
      });
      const reason = 'virtiofsd source path is not available: "/nowhere/at/all": create it first';
      const failed = ancestry(spans, only(spans, 'virtiofsd.start')).slice(0, 3);
      assert.deepEqual(
        failed.map(({ name, status }) => [name, status.code, status.message]),
        [
          ['virtiofsd.start', 'error', reason],
          ['sandbox.create', 'error', `Cannot start share "work": ${reason}`],
          [rpc.create, 'error', `Cannot start share "work": ${reason}`],
        ],
        outline(tree(spans)),
      );
      for (const { attributes } of failed) assert.equal(attributes['error.type'], 'NotFound');
      assert.equal(failed[2]?.attributes[`rpc.${system}.status_code`], 5);
      assert.ok(failed[0]?.events.some(({ name }) => name === 'exception'));
      assert.ok(!has(spans, 'virtiofsd.spawn'));
    });
  });
}

interface Traced extends AsyncDisposable {
  readonly jaeger: Jaeger;
  readonly containerd: ShimContainerd;
  readonly grpc: GrpcConnection;
  readonly traceId: string;
  /** The caller's trace. */
  readonly metadata: Record<string, string>;
}

/** A containerd and a host that both export; containerd's own OTEL_SERVICE_NAME reaches the shim. */
async function startTraced(version: (typeof containerdVersions)[number], way: Way): Promise<Traced> {
  await using stack = new AsyncDisposableStack();
  const jaeger = stack.use(await startJaeger());
  const config = `[trace]\nendpoint = "${jaeger.otlpEndpoint}"\ntimeout_ms = 60000`;
  const containerd = stack.use(await way.start({ version, config, env: jaeger.exportEnv }));
  const grpc = stack.use(connectGrpc(containerd.address));
  const traceId = randomBytes(16).toString('hex');
  const metadata = { traceparent: `00-${traceId}-${callerSpanId}-01` };
  const owned = stack.move();
  return { jaeger, containerd, grpc, traceId, metadata, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

const has = (spans: readonly Span[], name: string): boolean =>
  spans.some((span) => span.service === service && span.name === name);

function only(spans: readonly Span[], name: string, of?: string): Span {
  const found = spans.filter((span) => span.name === name && (of === undefined || span.service === of));
  assert.equal(found.length, 1, `one ${name} in\n${outline(tree(spans))}`);
  return found[0] as Span;
}
