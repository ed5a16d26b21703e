import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { CONTROLLER, startControllerContainerd } from '../../harness/containerd/controller-containerd.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { createSandbox, removeSandbox } from '../../harness/containerd/sandboxes.ts';
import { specOf } from '../../harness/containerd/shim-containerd.ts';
import { eventually } from '../../harness/eventually.ts';
import { openOtlpCollector, type OtlpCollector } from '../../harness/otlp-collector.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { obtain } from '../../setup/obtain.ts';

// What containerd polls: it is answered whatever else goes on, and is in no trace. Needs root.

const fixtures = join(import.meta.dirname, '../../harness/containerd/fixtures/plugins');
const sandboxer = CONTROLLER;
const method = Controller.method;

const traceTo = ({ endpoint }: OtlpCollector): string =>
  `[trace]\nendpoint = "${endpoint}"\ntimeout_ms = 60000\n`;

const has = ({ received }: OtlpCollector, what: string | Buffer): boolean =>
  received.some(({ body }) => body.includes(what));

for (const version of containerdVersions) {
  describe(`the controller's metrics of containerd ${version}`, () => {
    test('are told at once while other sandboxes come and go, and make no span', async () => {
      await using collector = await openOtlpCollector();
      await using marks = await temporaryDirectory();
      const mark = (name: string): string => join(marks.path, `slow.${name}`);
      const config = `shared_fs = "virtio-fs-slow"
plugin_dirs = ["${fixtures}"]
${traceTo(collector)}
[plugins."io.containerd.fsshare.v1.slow"]
marks = "${marks.path}"
stubborn = true
[plugins."io.containerd.fsshare.v1.slow".virtiofs]
virtio_fs_daemon = "${(await obtain('virtiofsd')).path}"`;
      await using containerd = await startControllerContainerd({ version, config });
      using grpc = connectGrpc(containerd.address);
      const other = { sandboxId: 'other', sandboxer };
      const slow = { sandboxId: 'slow', sandboxer };
      await createSandbox(grpc, { id: 'other', spec: {}, sandboxer });
      const waiting = grpc.unary(method.wait, other);
      const spec = specOf({ work: await containerd.source('work') });
      // The provider opens the share when it is told to, so whoever waited for it would wait for ever.
      const creating = createSandbox(grpc, { id: 'slow', spec, sandboxer });
      await eventually('the provider is asked', () => existsSync(mark('asked')));
      assert.equal((await grpc.unary(method.metrics, other)).metrics?.id, 'other');
      await assert.rejects(grpc.unary(method.metrics, slow), { code: 5 });
      await writeFile(mark('go'), '');
      await creating;
      const stopping = grpc.unary(method.stop, slow);
      assert.equal((await grpc.unary(method.metrics, other)).metrics?.id, 'other');
      // Where its daemon ends as it is measured, that is an error, and an answer.
      await grpc.unary(method.metrics, slow).catch(({ code }: { code: number }) => assert.equal(code, 14));
      await stopping;
      await removeSandbox(grpc, 'slow');
      await removeSandbox(grpc, 'other');
      assert.equal((await waiting).exitStatus, 0);
      await containerd.endHost('SIGTERM');
      const name = method.create.parent.typeName;
      for (const traced of ['Create', 'Stop', 'Shutdown'])
        assert.ok(has(collector, `${name}/${traced}`), traced);
      for (const polled of ['Metrics', 'Wait']) assert.ok(!has(collector, `${name}/${polled}`), polled);
    });
  });
}

test("the controller keeps a caller's decision not to sample", async () => {
  await using collector = await openOtlpCollector();
  await using containerd = await startControllerContainerd({ version: '2.4.2', config: traceTo(collector) });
  using own = connectGrpc(containerd.controllerAddress);
  const [unsampled, sampled] = [randomBytes(16), randomBytes(16)];
  for (const [trace, flags] of [
    [unsampled, '00'],
    [sampled, '01'],
  ] as const) {
    const metadata = { traceparent: `00-${trace.toString('hex')}-00000000000000a1-${flags}` };
    const name = { sandboxId: `sb-${flags}`, sandboxer };
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await own.unary(method.create, name, { metadata });
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await own.unary(method.shutdown, name, { metadata });
  }
  await containerd.endHost('SIGTERM');
  assert.ok(has(collector, sampled));
  assert.ok(!has(collector, unsampled));
});
