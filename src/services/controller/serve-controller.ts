import type { Host } from '../../host/host.ts';
import { Controller } from '../../proto/containerd/sandbox-controller_pb.ts';
import { openSocket, type OwnSocket } from '../own-socket.ts';
import type { SandboxCalls } from '../sandbox-calls.ts';
import { createControllerService } from './controller-service.ts';
import { createGrpcServer } from './grpc-server.ts';
import { callInterceptor } from './interceptor.ts';

/** The controller's socket. Disposal ends what it serves. */
export type ServedController = Pick<OwnSocket, 'address' | 'restore'> & AsyncDisposable;

/** Serves containerd's sandbox controller at a unix socket. @throws StatusError AlreadyExists */
export async function serveController(
  host: Host,
  parts: { address: string; calls: SandboxCalls; taskAddress: string },
): Promise<ServedController> {
  await using undo = new AsyncDisposableStack();
  const service = createControllerService(host, parts);
  const server = undo.use(
    createGrpcServer((router) => router.service(Controller, service), [callInterceptor(host)]),
  );
  const place = { address: parts.address, key: 'grpc.address' } as const;
  const socket = undo.use(await openSocket(place, (path) => server.listen(path)));
  host.log.info({ address: socket.address }, 'Serving the sandbox controller');
  const own = undo.move();
  return {
    address: socket.address,
    restore: () => socket.restore(),
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}
