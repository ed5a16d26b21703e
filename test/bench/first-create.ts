import { connectGrpc } from '../harness/containerd/grpc.ts';
import { Controller } from '../../src/proto/containerd/sandbox-controller_pb.ts';
import { Store } from '../harness/containerd/proto/sandbox-store_pb.ts';
import { recordSandbox } from '../harness/containerd/sandboxes.ts';
import { specOf, startShimContainerd } from '../harness/containerd/shim-containerd.ts';
import { eventually } from '../harness/eventually.ts';
import { timed } from './timed.ts';

const CALL = { namespace: 'default' };

/** Measures the first create of a sandbox through a containerd, which starts the host. */
export interface FirstCreate extends AsyncDisposable {
  /** In milliseconds. */
  measure(): Promise<number>;
}

/** Starts a containerd with that shim; a host that is idle ends soon, so that the first create can be measured again. */
export async function openFirstCreate(options: {
  shimDirectory?: string;
  env?: Readonly<Record<string, string>>;
}): Promise<FirstCreate> {
  await using stack = new AsyncDisposableStack();
  const env = { ...options.env, CONTAINERD_SHIM_VIRTIOFS_IDLE_TIMEOUT_MS: '500' };
  const server = stack.use(await startShimContainerd({ ...options, version: '2.4.2', env }));
  const grpc = stack.use(connectGrpc(server.address));
  const spec = specOf({ bench: await server.source('bench') });
  let count = 0;
  const own = stack.move();
  return {
    async measure() {
      await eventually('the idle host has ended', async () => (await server.hosts()).length === 0);
      const request = { sandboxId: `first-${count++}`, sandboxer: 'shim' };
      const took = await timed(await recordSandbox(grpc, { id: request.sandboxId, spec }, CALL));
      await grpc.unary(Controller.method.stop, request, CALL);
      await grpc.unary(Controller.method.shutdown, request, CALL);
      await grpc.unary(Store.method.delete, { sandboxId: request.sandboxId }, CALL);
      return took;
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}
