import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';

import { startContainerd } from '../../harness/containerd/containerd.ts';
import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { markedProcesses } from '../../harness/containerd/marked-processes.ts';
import { RuntimeService } from '../../harness/containerd/proto/cri_pb.ts';
import { Store } from '../../harness/containerd/proto/sandbox-store_pb.ts';

for (const version of containerdVersions) {
  describe(`startContainerd() with containerd ${version}`, () => {
    test('serves ctr of the same version', async () => {
      await using containerd = await startContainerd({ version });
      const { stdout, code } = await containerd.ctr(['version']);
      assert.equal(code, 0);
      assert.equal(stdout.match(new RegExp(`Version: +${version}`, 'g'))?.length, 2, stdout);
      const sandboxes = await containerd.ctr(['sandboxes', 'ls']);
      assert.equal(sandboxes.code, 0);
      assert.match(sandboxes.stdout, /^ID\s+CREATED\s+RUNTIME\s*$/);
    });

    test('loads CRI and both sandbox services', async () => {
      await using containerd = await startContainerd({ version, runtimes: { virtiofs: {} } });
      const { stdout } = await containerd.ctr(['plugins', 'ls']);
      assert.doesNotMatch(stdout, /\serror\s/);
      assert.match(stdout, /io\.containerd\.sandbox\.controller\.v1\s+shim\s+\S+\s+ok/);
      using grpc = connectGrpc(containerd.address);
      const { runtimeName } = await grpc.unary(RuntimeService.method.version, {});
      assert.equal(runtimeName, 'containerd');
      const { runtimeHandlers } = await grpc.unary(RuntimeService.method.status, {});
      assert.ok(runtimeHandlers.some(({ name }) => name === 'virtiofs'));
      assert.deepEqual((await grpc.unary(Store.method.list, {})).list, []);
    });

    test('restarts on the same state after SIGKILL', async () => {
      await using containerd = await startContainerd({ version });
      using grpc = connectGrpc(containerd.address);
      const sandbox = { sandboxId: 'kept', sandboxer: 'shim', runtime: { name: 'none' } };
      await grpc.unary(Store.method.create, { sandbox });
      const { pid } = containerd;
      await containerd.kill('SIGKILL');
      assert.notEqual((await containerd.ctr(['sandboxes', 'ls'])).code, 0);
      await containerd.restart();
      assert.notEqual(containerd.pid, pid);
      assert.match((await containerd.ctr(['sandboxes', 'ls'])).stdout, /^kept\s/m);
    });

    test('leaves neither process nor directory behind', async () => {
      const containerd = await startContainerd({ version });
      await containerd[Symbol.asyncDispose]();
      await containerd[Symbol.asyncDispose]();
      assert.deepEqual(await markedProcesses(containerd.dir), []);
      assert.equal(existsSync(containerd.dir), false);
    });
  });
}

test('startContainerd() rejects with the words of a containerd that cannot start', async () => {
  await assert.rejects(
    startContainerd({ version: '2.4.2', extraConfig: '[grpc' }),
    /Cannot start .*containerd:\n.*(toml|config)/s,
  );
});

test('GrpcConnection.unary() rejects with the code and keeps to its deadline', async () => {
  await using containerd = await startContainerd({ version: '2.4.2' });
  using grpc = connectGrpc(containerd.address);
  await assert.rejects(grpc.unary(Store.method.get, { sandboxId: 'absent' }), { code: 5 });
  await assert.rejects(grpc.unary(Store.method.list, {}, { timeoutMs: -1 }), { code: 4 });
  const signal = AbortSignal.abort(new Error('No longer wanted'));
  await assert.rejects(grpc.unary(Store.method.list, {}, { signal }), { message: 'No longer wanted' });
});
