import { connectGrpc, type GrpcConnection } from '../../harness/containerd/grpc.ts';
import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { Store } from '../../harness/containerd/proto/sandbox-store_pb.ts';
import { createSandbox, recordSandbox } from '../../harness/containerd/sandboxes.ts';
import {
  specOf,
  startShimContainerd,
  type ShimContainerd,
} from '../../harness/containerd/shim-containerd.ts';
import { eventually } from '../../harness/eventually.ts';
import { measureInTurn, toRows } from '../rows.ts';
import { openRuncStart } from '../runc-start.ts';
import { residentMiB } from '../serve-command.ts';
import type { Suite } from '../suite.ts';

const SANDBOXES = 100;
const CALL = { namespace: 'default' };

/**
 * What a sandbox with one share costs through a real containerd: `create` is containerd's Controller.Create (bundle,
 * our `start`, connection, CreateSandbox with virtiofsd spawned), `delete` is Stop and Shutdown (virtiofsd gone, our
 * `delete`). The runc shim serves no sandboxes, so only its bare `start` can stand beside.
 */
export const containerd: Suite = {
  name: 'containerd',
  description: "create and delete through a real containerd, the host's start and memory",
  async run({ isQuick, signal }) {
    await using stack = new AsyncDisposableStack();
    // A host that is idle ends soon, so that the first create can be measured again.
    const env = { CONTAINERD_SHIM_VIRTIOFS_IDLE_TIMEOUT_MS: '500' };
    const server = stack.use(await startShimContainerd({ version: '2.4.2', env }));
    using grpc = connectGrpc(server.address);
    const source = await server.source('bench');
    const spec = specOf({ bench: source });
    const runcStart = stack.use(await openRuncStart(server));

    const cycle = async (id: string): Promise<{ create: number; remove: number }> => {
      const createRecorded = await recordSandbox(grpc, { id, spec }, CALL);
      const begin = performance.now();
      await createRecorded();
      const created = performance.now();
      await stopAndShutdown(grpc, id);
      const removed = performance.now();
      await grpc.unary(Store.method.delete, { sandboxId: id }, CALL);
      return { create: created - begin, remove: removed - created };
    };

    const first: number[] = [];
    for (let round = 0; round < (isQuick ? 2 : 10); round++) {
      signal.throwIfAborted();
      // oxlint-disable-next-line no-await-in-loop -- one host after the other
      await eventually('the idle host has ended', async () => (await server.hosts()).length === 0);
      // oxlint-disable-next-line no-await-in-loop
      first.push((await cycle(`first-${round}`)).create);
    }

    await createSandbox(grpc, { id: 'keeps-the-host', spec }, CALL);
    let count = 0;
    const samples = await measureInTurn(
      {
        ours: async () => {
          const { create, remove } = await cycle(`bench-${count++}`);
          return { create, delete: remove };
        },
        runc: async () => ({ "runc shim's bare start": await runcStart.measure() }),
      },
      { rounds: isQuick ? 10 : 100, warmUp: 5, signal },
    );
    return {
      rows: [
        ...toRows(samples, { peers: { create: "runc shim's bare start" } }),
        ...toRows({ 'first create, which starts the host': first }),
        ...toRows(await measureMemory(server, { grpc, spec, signal }), { unit: 'MiB' }),
      ],
      notes: ['containerd 2.4.2, cgroup v1 host, state on the file system of temporary directories'],
    };
  },
};

async function stopAndShutdown(grpc: GrpcConnection, sandboxId: string): Promise<void> {
  const request = { sandboxId, sandboxer: 'shim' };
  await grpc.unary(Controller.method.stop, request, CALL);
  await grpc.unary(Controller.method.shutdown, request, CALL);
}

async function measureMemory(
  server: ShimContainerd,
  { grpc, spec, signal }: { grpc: GrpcConnection; spec: unknown; signal: AbortSignal },
): Promise<Record<string, number[]>> {
  await stopAndShutdown(grpc, 'keeps-the-host');
  const [pid = 0] = await server.hosts();
  const before = await residentMiB(pid);
  const ids = Array.from({ length: SANDBOXES }, (_, index) => `memory-${index}`);
  for (const id of ids) {
    signal.throwIfAborted();
    // oxlint-disable-next-line no-await-in-loop -- as a node fills
    await createSandbox(grpc, { id, spec }, CALL);
  }
  const during = await residentMiB(pid);
  await Promise.all(ids.map((id) => stopAndShutdown(grpc, id)));
  return { "host's memory, no sandbox": [before], [`host's memory, ${SANDBOXES} sandboxes`]: [during] };
}
