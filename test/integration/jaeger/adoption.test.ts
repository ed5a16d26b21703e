import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startJaeger, type Jaeger } from '../../harness/containerd/jaeger.ts';
import type { Span } from '../../harness/containerd/spans.ts';
import { isGone, leftovers } from '../../harness/leftovers.ts';
import { startServe } from '../../harness/serve-process.ts';
import { readUntil } from '../../harness/share-client.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { realVirtiofsds } from '../../harness/virtiofsds.ts';

// Needs root.

const name = { sandboxId: 'sb', tag: 'work' };

async function findOne(jaeger: Jaeger, operation: string): Promise<Span> {
  const isIt = (span: Span): boolean => span.name === operation;
  const query = { service: 'containerd-shim-virtiofs', operation };
  const spans = await jaeger.findTraces({ ...query, until: (found) => found.some(isIt) });
  const [span, ...others] = spans.filter(isIt);
  assert.deepEqual(others, []);
  return span ?? assert.fail(operation);
}

for (const { name: virtiofsd, dialect, path: daemon, skip } of await realVirtiofsds()) {
  describe(`Jaeger links what a host says of an adopted daemon, ${virtiofsd},`, { skip }, () => {
    test('to the span of the host that started it and was killed', async () => {
      await using directory = await temporaryDirectory();
      await using jaeger = await startJaeger();
      const top = `[trace]\nendpoint = "${jaeger.otlpEndpoint}"`;
      const options = { daemon, dialect, top };

      await using former = await startServe(directory.path, options);
      const { share } = await former.shares.open(name);
      const pid = share?.pid ?? 0;
      const start = await findOne(jaeger, 'virtiofsd.start');
      await former.end('SIGKILL');

      await using host = await startServe(directory.path, options);
      const watch = host.shares.watch({})[Symbol.asyncIterator]();
      await readUntil(watch, ({ event }) => event === 'synced');
      process.kill(pid, 'SIGKILL');
      await readUntil(watch, (event) => event.share?.exit !== undefined);
      const [adopt, quit] = [
        await findOne(jaeger, 'virtiofsd.adopt'),
        await findOne(jaeger, 'virtiofsd.quit'),
      ];
      for (const span of [adopt, quit]) {
        const { traceId, spanId } = start;
        assert.deepEqual(span.links, [
          { traceId, spanId, attributes: { 'link.relationship': 'started_by' } },
        ]);
        assert.notEqual(span.traceId, traceId);
        assert.equal(span.attributes['process.pid'], pid);
      }
      await host.shares.close(name);
      assert.equal(isGone(pid), true);
      assert.deepEqual(await leftovers(`${directory.path}/state`), []);
    });
  });
}
