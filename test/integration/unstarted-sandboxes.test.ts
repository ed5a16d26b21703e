import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { anyPack, AnySchema } from '@bufbuild/protobuf/wkt';
import { Code } from 'ttrpc-ts';
import { Controller } from '../../src/proto/containerd/sandbox-controller_pb.ts';
import { PodSandboxConfigSchema } from '../../src/proto/cri/pod-sandbox-config_pb.ts';
import { connectGrpc } from '../harness/containerd/grpc.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { pidOnRecord, type ServeProcess } from '../harness/serve-process.ts';
import { ended, openNode, type Node } from '../harness/take-over.ts';

// A pod's sandbox between its creation and its start, which containerd asks of two hosts.

const name = { sandboxId: 'sb' };
const { method } = Controller;
const SERVE = { daemon: fixture('waits'), top: '[grpc]\n[[shares]]\ntag = "work"\n' };

const config = create(PodSandboxConfigSchema, { metadata: { name: 'web', namespace: 'shop', uid: '0a' } });
const options = create(AnySchema, {
  typeUrl: 'runtime.v1.PodSandboxConfig',
  value: anyPack(PodSandboxConfigSchema, config).value,
});

const fileOf = (node: Node, file: string): string => join(node.state, 'sandboxes/default/sb', file);

/** Starts a host, and waits until it serves gRPC too. */
async function start(node: Node): Promise<ServeProcess> {
  const host = await node.start();
  await eventually('it serves', () => pidOnRecord(node.state) === host.pid);
  return host;
}

/** Has a host create it; resolves to its daemon. */
async function createPod(node: Node): Promise<number> {
  using grpc = connectGrpc(join(node.state, 'grpc.sock'));
  await grpc.unary(method.create, { ...name, options }, { timeoutMs: 600_000 });
  const { daemon } = JSON.parse(readFileSync(fileOf(node, 'work/share.json'), 'utf8')) as {
    daemon: { pid: number };
  };
  return daemon.pid;
}

const WAYS: Record<string, (node: Node, former: ServeProcess) => Promise<ServeProcess>> = {
  'was killed': async (node, former) => {
    await former.end('SIGKILL');
    return start(node);
  },
  'has handed over': async (node, former) => {
    const next = await node.follow();
    assert.equal(await ended(former), 0);
    return next;
  },
};

describe("a pod's sandbox that is not started yet", () => {
  for (const [what, next] of Object.entries(WAYS))
    test(`is started by the next host when its own ${what}`, async () => {
      await using node = await openNode(SERVE);
      await using former = await start(node);
      const pid = await createPod(node);
      await using _ = await next(node, former);
      using grpc = connectGrpc(join(node.state, 'grpc.sock'));
      assert.equal((await grpc.unary(method.start, name)).pid, pid);
      assert.equal((await grpc.unary(method.status, name)).state, 'SANDBOX_READY');
      await grpc.unary(method.shutdown, name);
      assert.equal(isGone(pid), true);
      assert.deepEqual(await leftovers(node.state), ['grpc.sock']);
    });

  test('is undone by the next host when its caller waits no more', async () => {
    await using node = await openNode(SERVE);
    await using former = await start(node);
    const pid = await createPod(node);
    await former.end('SIGKILL');
    const record = JSON.parse(readFileSync(fileOf(node, 'sandbox.json'), 'utf8')) as object;
    const startBy = new Date(Date.now() - 1).toISOString();
    writeFileSync(fileOf(node, 'sandbox.json'), JSON.stringify({ ...record, startBy }));
    await using _ = await start(node);
    using grpc = connectGrpc(join(node.state, 'grpc.sock'));
    await assert.rejects(grpc.unary(method.start, name), { code: Code.NotFound });
    assert.equal(isGone(pid), true);
    assert.deepEqual(await leftovers(node.state), ['grpc.sock']);
  });
});
