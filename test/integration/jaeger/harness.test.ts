import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';

import { startContainerd } from '../../harness/containerd/containerd.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { startJaeger } from '../../harness/containerd/jaeger.ts';
import { Store } from '../../harness/containerd/proto/sandbox-store_pb.ts';
import { outline, tree } from '../../harness/containerd/span-tree.ts';

test('startJaeger() stores spans that come by OTLP over HTTP and finds them', async () => {
  await using jaeger = await startJaeger();
  const traceId = randomBytes(16).toString('hex');
  const startNs = BigInt(Date.now()) * 1_000_000n;
  const times = { startTimeUnixNano: String(startNs), endTimeUnixNano: String(startNs + 2_500_000n) };
  await postSpans(jaeger.otlpEndpoint, 'posted', [
    {
      traceId,
      spanId: '00000000000000b1',
      parentSpanId: '00000000000000a1',
      name: 'child',
      kind: 1,
      ...times,
    },
    {
      traceId,
      spanId: '00000000000000a1',
      name: 'parent',
      kind: 2,
      ...times,
      attributes: [
        { key: 'text', value: { stringValue: 'a' } },
        { key: 'number', value: { intValue: '3' } },
        { key: 'list', value: { arrayValue: { values: [{ boolValue: true }] } } },
      ],
      events: [{ timeUnixNano: String(startNs), name: 'ready' }],
      links: [{ traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8) }],
      status: { code: 2, message: 'broken' },
    },
  ]);
  const spans = await jaeger.findTrace(traceId, { until: ({ length }) => length === 2 });
  assert.equal(outline(tree(spans)), '[posted] parent 2.500 ms ERROR broken\n  [posted] child 2.500 ms\n');
  const parent = spans.find(({ name }) => name === 'parent');
  assert.ok(parent);
  assert.deepEqual(parent, {
    traceId,
    spanId: '00000000000000a1',
    parentSpanId: undefined,
    name: 'parent',
    service: 'posted',
    kind: 'server',
    attributes: { list: [true], number: 3, text: 'a' },
    resource: { 'service.name': 'posted' },
    status: { code: 'error', message: 'broken' },
    events: [{ name: 'ready', attributes: {} }],
    links: [{ traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), attributes: {} }],
    startNs,
    endNs: startNs + 2_500_000n,
  });
  assert.equal((await jaeger.findTraces({ service: 'posted', operation: 'child' })).length, 2);
});

test('Jaeger.findTrace() throws with what it found when the time is up', async () => {
  await using jaeger = await startJaeger();
  await assert.rejects(jaeger.findTrace('ef'.repeat(16), { timeoutMs: 200 }), /no such trace after 200 ms/);
});

test('startContainerd() exports spans that join the trace of the caller', async () => {
  await using jaeger = await startJaeger();
  await using containerd = await startContainerd({ version: '2.4.2', env: jaeger.exportEnv });
  using grpc = connectGrpc(containerd.address);
  const traceId = randomBytes(16).toString('hex');
  const metadata = { traceparent: `00-${traceId}-00000000000000a1-01` };
  await grpc.unary(Store.method.list, {}, { metadata });
  const spans = await jaeger.findTrace(traceId);
  const served = spans.find(({ kind }) => kind === 'server');
  assert.equal(served?.service, 'containerd');
  assert.equal(served.name, 'containerd.services.sandbox.v1.Store/List');
  assert.equal(served.parentSpanId, '00000000000000a1');
});

async function postSpans(endpoint: string, service: string, spans: readonly unknown[]): Promise<void> {
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: service } }] };
  const response = await fetch(`${endpoint}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] }),
  });
  assert.equal(response.status, 200, await response.text());
}
