import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';

import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { CONTROLLER, startControllerContainerd } from '../../harness/containerd/controller-containerd.ts';
import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { createSandbox, removeSandbox } from '../../harness/containerd/sandboxes.ts';
import { specOf } from '../../harness/containerd/shim-containerd.ts';
import { isGone } from '../../harness/leftovers.ts';

// The sandbox controller as containerd calls it through proxy_plugins. Needs root.

const sandboxer = CONTROLLER;

for (const version of containerdVersions) {
  describe(`controller of containerd ${version}`, () => {
    test('creates, starts, shows, measures, stops and removes a sandbox', async () => {
      await using containerd = await startControllerContainerd({ version });
      using grpc = connectGrpc(containerd.address);
      const source = await containerd.source('work');
      await createSandbox(grpc, { id: 'sb', spec: specOf({ work: source }), sandboxer });
      const name = { sandboxId: 'sb', sandboxer };
      const { pid, createdAt } = await grpc.unary(Controller.method.start, name);
      const [record] = await containerd.records();
      assert.equal(record?.owner, 'controller');
      assert.equal(pid, record.pid);
      const status = await grpc.unary(Controller.method.status, { ...name, verbose: true });
      assert.deepEqual(
        { state: status.state, pid: status.pid, createdAt: status.createdAt },
        { state: 'SANDBOX_READY', pid, createdAt },
      );
      const share = JSON.parse(status.info['share.work'] ?? '{}') as { sharedDir?: string };
      assert.equal(share.sharedDir, source);
      // containerd keeps it from its clients.
      using own = connectGrpc(containerd.controllerAddress);
      const { address, version: taskVersion } = await own.unary(Controller.method.status, name);
      assert.deepEqual([address, taskVersion], [`ttrpc+unix://${containerd.state}/host.sock`, 3]);
      const { metrics } = await grpc.unary(Controller.method.metrics, name);
      assert.equal(metrics?.id, 'sb');
      const waiting = grpc.unary(Controller.method.wait, name);
      await grpc.unary(Controller.method.stop, name);
      assert.equal((await waiting).exitStatus, 0);
      assert.ok(isGone(pid) && !existsSync(record.socketPath));
      await removeSandbox(grpc, 'sb');
      assert.deepEqual(await containerd.leftovers(), []);
    });
  });
}
