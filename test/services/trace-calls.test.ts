import assert from 'node:assert/strict';
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { describe, test } from 'node:test';
import { writeBundle } from '../harness/bundle.ts';
import { eventually } from '../harness/eventually.ts';
import { memorySpans } from '../harness/memory-spans.ts';
import { readUntil, serveShares } from '../harness/share-client.ts';
import { serveTestHost } from '../harness/test-host.ts';

const CREATE = 'containerd.runtime.sandbox.v1.Sandbox/CreateSandbox';
const caller = { traceId: '0123456789abcdef0123456789abcdef', spanId: '0123456789abcdef', traceFlags: 1 };
const callerContext = trace.setSpanContext(ROOT_CONTEXT, caller);

describe('traceCalls()', () => {
  test("puts a call and all that it does into the caller's trace", async () => {
    await using spans = await memorySpans();
    await using own = await serveTestHost();
    const { client } = own;
    const bundlePath = await writeBundle(own.path, [{ type: 'virtiofs', destination: 'work' }]);
    await context.with(callerContext, () => client.createSandbox({ sandboxId: 'sb', bundlePath }));
    await eventually('the call ended', () => spans.named(CREATE).length === 1);
    const call = spans.one(CREATE);
    assert.equal(call.kind, SpanKind.SERVER);
    assert.equal(call.spanContext().traceId, caller.traceId);
    assert.equal(call.parentSpanContext?.spanId, caller.spanId);
    const hook = spans.one('sandbox.create');
    assert.equal(hook.parentSpanContext?.spanId, call.spanContext().spanId);
    assert.equal(hook.attributes['plugin.id'], 'io.containerd.fsshare.v1.virtiofs');
    const start = spans.one('virtiofsd.start');
    assert.equal(start.parentSpanContext?.spanId, hook.spanContext().spanId);
    const subsystems = [
      [call, 'host'],
      [hook, 'virtiofs'],
      [start, 'virtiofsd'],
      [spans.one('virtiofsd.spawn'), 'virtiofsd'],
    ] as const;
    for (const [span, expected] of subsystems) {
      const { 'sandbox.id': id, 'containerd.namespace': namespace, source, subsystem } = span.attributes;
      assert.deepEqual([id, namespace, source, subsystem], ['sb', 'default', 'runtime', expected], span.name);
      assert.equal(span.spanContext().traceId, caller.traceId);
    }
    const { attributes } = call;
    assert.equal(attributes['rpc.system'], 'ttrpc');
    assert.equal(attributes['rpc.service'], 'containerd.runtime.sandbox.v1.Sandbox');
    assert.equal(attributes['rpc.response.status_code'], 'Ok');
    const line = own.captured.withMessage('Starting virtiofsd')[0];
    assert.equal(line?.['trace_id'], caller.traceId);
    assert.equal(line?.['sandbox'], 'sb');
  });

  test('gives a call that fails its status, and logs it', async () => {
    await using spans = await memorySpans();
    await using own = await serveTestHost();
    await own.client.pingSandbox({ sandboxId: 'unknown' }).catch(() => {});
    const name = 'containerd.runtime.sandbox.v1.Sandbox/PingSandbox';
    await eventually('the call ended', () => spans.named(name).length === 1);
    const { status, attributes } = spans.one(name);
    const message = 'No sandbox "unknown" in namespace "default"';
    assert.deepEqual(status, { code: SpanStatusCode.ERROR, message });
    assert.equal(attributes['error.type'], 'NotFound');
    assert.equal(attributes['rpc.response.status_code'], 'NotFound');
    const [line] = own.captured.withMessage(message);
    assert.deepEqual([line?.level, line?.['code'], line?.['sandbox']], ['error', 'NotFound', 'unknown']);
  });

  test("takes the share service's namespace from the request, and makes no span for an event", async () => {
    await using spans = await memorySpans();
    await using own = await serveShares();
    const { client } = own;
    const watch = client.watch({})[Symbol.asyncIterator]();
    await readUntil(watch, ({ event }) => event === 'synced');
    await context.with(callerContext, () => client.open({ namespace: 'mine', sandboxId: 'sb', tag: 'work' }));
    await readUntil(watch, ({ share }) => share?.state === 'waiting');
    const name = 'shimvirtiofs.share.v1.Shares/Open';
    await eventually('the call ended', () => spans.named(name).length === 1);
    for (const span of [spans.one(name), spans.one('sandbox.create'), spans.one('virtiofsd.start')]) {
      const { 'sandbox.id': id, 'containerd.namespace': namespace } = span.attributes;
      assert.deepEqual([id, namespace, span.spanContext().traceId], ['sb', 'mine', caller.traceId]);
    }
    assert.equal(spans.named('shimvirtiofs.share.v1.Shares/Watch').length, 1);
  });

  test("marks every span of the way to a daemon's failure", async () => {
    await using spans = await memorySpans();
    await using own = await serveTestHost({ daemon: 'exits-early' });
    const { client } = own;
    const bundlePath = await writeBundle(own.path, [{ type: 'virtiofs', destination: 'work' }]);
    await client.createSandbox({ sandboxId: 'sb', bundlePath });
    await client.startSandbox({ sandboxId: 'sb' }).catch(() => {});
    const name = 'containerd.runtime.sandbox.v1.Sandbox/StartSandbox';
    await eventually('the call ended', () => spans.named(name).length === 1);
    assert.match(spans.one(name).status.message ?? '', /exited with code 7: cannot open the directory/);
    assert.equal(spans.one('virtiofsd.wait_ready').status.code, SpanStatusCode.ERROR);
    const quit = spans.one('virtiofsd.quit');
    assert.equal(quit.attributes['sandbox.id'], 'sb');
    assert.equal(quit.links[0]?.context.spanId, spans.one('virtiofsd.start').spanContext().spanId);
  });

  test('makes no spans of waiting, which lasts as long as the sandbox', async () => {
    await using spans = await memorySpans();
    await using own = await serveTestHost();
    await own.client.createSandbox({ sandboxId: 'sb' });
    const waiting = own.client.waitSandbox({ sandboxId: 'sb' });
    await own.client.stopSandbox({ sandboxId: 'sb' });
    await waiting;
    const names = spans.all.map(({ name }) => name);
    assert.equal(
      names.some((name) => name.includes('Wait')),
      false,
    );
    assert.equal(names.includes('containerd.runtime.sandbox.v1.Sandbox/StopSandbox'), true);
  });
});
