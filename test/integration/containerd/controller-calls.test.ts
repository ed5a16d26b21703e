import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { anyPack, type AnySchema, EmptySchema, timestampFromMs } from '@bufbuild/protobuf/wkt';

import { OptionsSchema } from '../../../src/proto/containerd/runtime-options_pb.ts';
import {
  Controller,
  type ControllerCreateRequestSchema,
} from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { createContainer, removeContainer, taskAddressOf } from '../../harness/containerd/containers.ts';
import { CONTROLLER, startControllerContainerd } from '../../harness/containerd/controller-containerd.ts';
import { connectGrpc, type GrpcConnection } from '../../harness/containerd/grpc.ts';
import { createSandbox, removeSandbox } from '../../harness/containerd/sandboxes.ts';
import { specOf } from '../../harness/containerd/shim-containerd.ts';
import { fixture } from '../../harness/fixtures.ts';
import { isGone } from '../../harness/leftovers.ts';

// What containerd and its clients do with a sandbox controller besides the usual, and in odd orders. Needs root.

const sandboxer = CONTROLLER;
const method = Controller.method;
const NOT_FOUND = { code: 5 };
/** Go's zero time, which CRI sends for the creation of a sandbox. */
const ZERO_TIME = timestampFromMs(-62_135_596_800_000);

for (const version of containerdVersions) {
  describe(`a sandbox controller of containerd ${version}`, () => {
    test('answers calls of what is unknown, and calls that come again', async () => {
      await using containerd = await startControllerContainerd({ version });
      using grpc = connectGrpc(containerd.address);
      const unknown = { sandboxId: 'unknown', sandboxer };
      await assert.rejects(grpc.unary(method.start, unknown), NOT_FOUND);
      await assert.rejects(grpc.unary(method.stop, unknown), NOT_FOUND);
      await assert.rejects(grpc.unary(method.wait, unknown), NOT_FOUND);
      await assert.rejects(grpc.unary(method.status, unknown), NOT_FOUND);
      await assert.rejects(grpc.unary(method.metrics, unknown), NOT_FOUND);
      await grpc.unary(method.shutdown, unknown);
      // containerd asks for it, and serves it to nobody.
      using own = connectGrpc(containerd.controllerAddress);
      const { platform } = await own.unary(method.platform, unknown);
      assert.deepEqual([platform?.os, platform?.architecture], ['linux', goArchitecture()]);

      const spec = specOf({ work: await containerd.source('work') });
      const name = { sandboxId: 'sb', sandboxer };
      await createSandbox(grpc, { id: 'sb', spec, sandboxer });
      const waiting = grpc.unary(method.wait, name);
      const pid = (await grpc.unary(method.start, name)).pid;
      await assert.rejects(grpc.unary(method.create, createRequest('sb', spec)), {
        code: 6,
        details: 'Sandbox "sb" exists: delete it first',
      });
      assert.ok(!isGone(pid));
      await update(grpc, ['extensions']);
      await assert.rejects(update(grpc, ['spec']), {
        code: 12,
        details: /^Cannot update "spec" of a sandbox: open and close its shares by/,
      });
      await grpc.unary(method.stop, name);
      await grpc.unary(method.stop, name);
      assert.equal((await waiting).exitStatus, 0);
      assert.equal((await grpc.unary(method.wait, name)).exitStatus, 0);
      await grpc.unary(method.shutdown, name);
      await grpc.unary(method.shutdown, name);
      await assert.rejects(grpc.unary(method.status, name), NOT_FOUND);
      assert.ok(isGone(pid));
      assert.deepEqual(await containerd.leftovers(), []);
    });

    test('is called in other ways by other versions: a namespace twice, a zero time, a large spec', async () => {
      await using containerd = await startControllerContainerd({ version });
      using own = connectGrpc(containerd.controllerAddress);
      using grpc = connectGrpc(containerd.address);
      const work = await containerd.source('work');
      const request = createRequest('sb', specOf({ work }));
      const sandbox = { ...request.sandbox, createdAt: ZERO_TIME, updatedAt: ZERO_TIME };
      await own.unary(method.create, { ...request, sandbox }, { namespace: 'k8s.io, k8s.io' });
      const [record] = await containerd.records();
      assert.deepEqual([record?.namespace, record?.owner], ['k8s.io', 'controller']);
      const { createdAt } = await own.unary(method.status, { sandboxId: 'sb' }, { namespace: 'k8s.io' });
      assert.ok(Number(createdAt?.seconds) > 0);
      await own.unary(method.shutdown, { sandboxId: 'sb' }, { namespace: 'k8s.io' });

      const large = { ...(specOf({ work }) as object), hostname: 'x'.repeat(8 << 20) };
      await grpc.unary(method.create, createRequest('large', large));
      await grpc.unary(method.shutdown, { sandboxId: 'large', sandboxer });
      assert.deepEqual(await containerd.leftovers(), []);
    });

    test('refuses what it does not understand in words that reach the caller, and leaves nothing', async () => {
      await using containerd = await startControllerContainerd({ version });
      using grpc = connectGrpc(containerd.address);
      const work = await containerd.source('work');
      const spec = specOf({ work });
      const refusals: Refusal[] = [
        { spec: Buffer.from('rubbish'), code: 3, why: /^Invalid OCI spec "of the sandbox": it is no JSON$/ },
        { spec: { mounts: 5 }, code: 3, why: /^Invalid OCI spec "of the sandbox": mounts: / },
        {
          spec: specOf({ work: '/nowhere' }),
          code: 5,
          why: /^Cannot start share "work": .*"\/nowhere"/,
        },
        {
          spec,
          options: { typeUrl: 'containerd.runc.v1.Options', value: new Uint8Array([10, 1, 65]) },
          code: 3,
          why: /^Unknown runtime options of type "containerd.runc.v1.Options": use "runtimeoptions.v1.Options", as CRI does$/,
        },
        {
          spec,
          options: { typeUrl: 'runtimeoptions.v1.Options', value: new Uint8Array([10, 200, 1]) },
          code: 3,
          why: /^Cannot read the runtime options of the sandbox: /,
        },
        {
          spec,
          options: anyPack(OptionsSchema, create(OptionsSchema, { configPath: 'etc/x.toml' })),
          code: 3,
          why: /^The runtime option ConfigPath is "etc\/x.toml": use an absolute path$/,
        },
      ];
      for (const { spec: value, options, code, why } of refusals) {
        const request = createRequest('sb', value, options);
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await assert.rejects(grpc.unary(method.create, request), { code, details: why });
      }
      assert.deepEqual(await containerd.leftovers(), []);
      // ctr has none, and says so.
      const none = anyPack(EmptySchema, create(EmptySchema));
      await grpc.unary(method.create, createRequest('sb', spec, none));
      await grpc.unary(method.shutdown, { sandboxId: 'sb', sandboxer });
      assert.deepEqual(await containerd.leftovers(), []);
    });

    test("fails to start with the daemon's own words, and leaves nothing", async () => {
      const virtiofs = `virtio_fs_daemon = "${fixture('exits-early')}"\nvirtio_fs_dialect = "rust"`;
      await using containerd = await startControllerContainerd({ version, virtiofs });
      using grpc = connectGrpc(containerd.address);
      const spec = specOf({ work: await containerd.source('work') });
      await createSandbox(grpc, { id: 'sb', spec, sandboxer });
      await assert.rejects(grpc.unary(method.start, { sandboxId: 'sb', sandboxer }), {
        code: 9,
        details:
          'failed to start sandbox "sb": Cannot start share "work": virtiofsd exited with code 7: cannot open the directory: it is a teapot',
      });
      await assert.rejects(grpc.unary(method.status, { sandboxId: 'sb', sandboxer }), NOT_FOUND);
      assert.deepEqual(await containerd.leftovers(), []);
    });

    test('may end and come again while containerd waits for a sandbox', async () => {
      await using containerd = await startControllerContainerd({ version });
      using grpc = connectGrpc(containerd.address);
      const spec = specOf({ work: await containerd.source('work') });
      const name = { sandboxId: 'sb', sandboxer };
      await createSandbox(grpc, { id: 'sb', spec, sandboxer });
      const { pid } = await grpc.unary(method.start, name);
      const waiting = grpc.unary(method.wait, name);
      await grpc.unary(method.status, name);
      await containerd.endHost('SIGTERM');
      await containerd.startHost();
      using own = connectGrpc(containerd.controllerAddress);
      assert.equal((await own.unary(method.status, name)).pid, pid);
      assert.ok(!isGone(pid));
      await own.unary(method.stop, name);
      assert.equal((await waiting).exitStatus, 0);
      assert.ok(isGone(pid));
      await removeSandbox(grpc, 'sb');
      assert.deepEqual(await containerd.leftovers(), []);
    });

    test('keeps a sandbox whose container has its id and goes', async () => {
      await using containerd = await startControllerContainerd({ version });
      using grpc = connectGrpc(containerd.address);
      const spec = { mounts: [{ destination: 'work', type: 'virtiofs' }] };
      await createSandbox(grpc, { id: 'sb', spec, sandboxer });
      const { pid } = await grpc.unary(method.start, { sandboxId: 'sb', sandboxer });
      const rootfs = [{ type: 'virtiofs', source: await containerd.source('root') }];
      await createContainer(grpc, {
        id: 'sb',
        sandbox: 'sb',
        rootfs,
        taskAddress: taskAddressOf(containerd),
      });
      // containerd sends Task/Shutdown and executes `delete` before it answers.
      await removeContainer(grpc, 'sb');
      const refused = { id: 'none', sandbox: 'sb', rootfs: [], taskAddress: taskAddressOf(containerd) };
      await assert.rejects(createContainer(grpc, refused), { code: 9 });
      const status = await grpc.unary(method.status, { sandboxId: 'sb', sandboxer });
      assert.deepEqual([status.state, status.pid], ['SANDBOX_READY', pid]);
      await removeSandbox(grpc, 'sb');
      assert.deepEqual(await containerd.leftovers(), []);
    });
  });
}

type CreateRequest = MessageInitShape<typeof ControllerCreateRequestSchema>;

interface Refusal {
  /** Bytes, or what is to be JSON. */
  readonly spec: unknown;
  /** Of the sandbox's runtime. */
  readonly options?: RuntimeOptions;
  readonly code: number;
  readonly why: RegExp;
}

type RuntimeOptions = MessageInitShape<typeof AnySchema>;

/** As a client of containerd that keeps no record in its store. */
const createRequest = (sandboxId: string, spec: unknown, options?: RuntimeOptions) =>
  ({
    sandboxId,
    sandboxer,
    sandbox: {
      sandboxId,
      sandboxer,
      runtime: { name: 'io.containerd.virtiofs.v1', ...(options ? { options } : {}) },
      spec: { typeUrl: 'spec', value: Buffer.isBuffer(spec) ? spec : Buffer.from(JSON.stringify(spec)) },
    },
  }) satisfies CreateRequest;

async function update(grpc: GrpcConnection, fields: string[]): Promise<void> {
  // Without a runtime, containerd panics.
  const runtime = { name: 'io.containerd.virtiofs.v1' };
  const sandbox = { sandboxId: 'sb', sandboxer, runtime, labels: { a: 'b' } };
  await grpc.unary(method.update, { sandboxId: 'sb', sandboxer, sandbox, fields });
}

const goArchitecture = (): string => ({ x64: 'amd64' })[process.arch as string] ?? process.arch;
