import type { Host } from '../../host/host.ts';
import { Controller } from '../../proto/containerd/sandbox-controller_pb.ts';
import type { SocketPlace } from '../address.ts';
import type { Gate } from '../hand-over/gate.ts';
import type { Reception } from '../hand-over/reception.ts';
import { openSocket, type OwnSocket } from '../own-socket.ts';
import type { SandboxCalls } from '../sandbox-calls.ts';
import { createControllerService } from './controller-service.ts';
import { createGrpcServer } from './grpc-server.ts';
import { callInterceptor } from './interceptor.ts';

/** The controller's socket. Disposal ends what it serves. */
export type ServedController = Omit<OwnSocket, typeof Symbol.dispose> & AsyncDisposable;

/** What the controller is served with. */
export interface ControllerParts {
  readonly place: SocketPlace;
  readonly calls: SandboxCalls;
  readonly gate: Gate;
  /** Where containers of a sandbox find the Task service. */
  readonly taskAddress: string;
  /** Where callers wait already. @default nowhere: it listens */
  readonly reception?: Reception | undefined;
}

/** Serves containerd's sandbox controller at a unix socket. @throws StatusError AlreadyExists */
export async function serveController(host: Host, parts: ControllerParts): Promise<ServedController> {
  await using undo = new AsyncDisposableStack();
  const service = createControllerService(host, parts);
  const interceptor = callInterceptor({ ...host, gate: parts.gate });
  const server = undo.use(createGrpcServer((router) => router.service(Controller, service), [interceptor]));
  const socket = undo.use(await openSocket(parts.place, server, parts.reception));
  host.log.info({ address: socket.address }, 'Serving the sandbox controller');
  const own = undo.move();
  return {
    address: socket.address,
    restore: () => socket.restore(),
    resume: () => socket.resume(),
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}
