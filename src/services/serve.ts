import { createServer } from 'ttrpc-ts';
import { identify } from '../proc/stat.ts';
import type { Host } from '../host/host.ts';
import { keepFiles } from '../host/keep-files.ts';
import { Sandbox } from '../proto/containerd/sandbox_pb.ts';
import { Shares } from '../proto/share/shares_pb.ts';
import { Task } from '../proto/containerd/task_pb.ts';
import { afterAdoption } from './after-adoption.ts';
import type { ServedController } from './controller/serve-controller.ts';
import { openSocket } from './own-socket.ts';
import { writeOwnFile, type OwnFile } from './own-file.ts';
import { printableErrors } from './printable-errors.ts';
import { publishEvents } from './events/publish-events.ts';
import { createSandboxCalls, type SandboxCalls } from './sandbox-calls.ts';
import { createShareService } from './share-api/share-service.ts';
import { createSandboxService } from './shim/sandbox-service.ts';
import { createSandboxLogs } from './shim/sandbox-logs.ts';
import { createTaskService } from './shim/task-service.ts';
import { traceCalls } from './trace-calls.ts';

/** A host's services, listening. Disposal ends them and leaves the host's sandboxes alone. */
export interface Serving extends AsyncDisposable {
  /** The ttrpc socket's path; it also stands in `host.address` of the state directory, and who we are in `host.pid`. */
  readonly address: string;
  /** Lets a shim's `start` find this host; serving begins so. */
  announce(): void;
  /** No `start` finds this host from now on, unless it has already. */
  hide(): void;
}

/**
 * Serves a host on unix sockets that only their owner can open: by ttrpc to containerd's shim and to callers of the share
 * service, and, where the configuration has it, by gRPC to containerd as its sandbox controller.
 *
 * @throws StatusError AlreadyExists while another server answers there
 */
export async function serve(host: Host): Promise<Serving> {
  const { stateDir, config } = host;
  await using undo = new AsyncDisposableStack();
  // Before anything is waited for: what is being adopted may have ended.
  const events = undo.use(publishEvents(host));
  const logs = undo.use(createSandboxLogs(host));
  const shares = undo.use(createShareService(host));
  const calls = createSandboxCalls(host, events);
  const server = createServer({ interceptors: [afterAdoption(host), traceCalls(host.log), printableErrors] })
    .service(Sandbox, createSandboxService(host, { calls, events, logs }))
    .service(Task, createTaskService(host))
    .service(Shares, shares);
  undo.use(server);
  const address = config.ttrpc.address ?? stateDir.host.socket;
  const place = { address, key: 'ttrpc.address' } as const;
  const socket = undo.use(await openSocket(place, (path) => server.listen({ path, mode: 0o600 })));
  const controller = await openController(host, { calls, taskAddress: address });
  if (controller) undo.use(controller);
  const sockets = [socket, ...(controller ? [controller] : [])];
  let announced: OwnFile[] = [];
  const announce = (): void => {
    if (!stateDir.isInPlace()) return;
    // Last who we are: a `start` that finds it reads the address, and an ending host takes it away first.
    announced = [
      writeOwnFile(stateDir.host.address, `${address}\n`),
      writeOwnFile(stateDir.host.pid, `${process.pid} ${identify(process.pid)?.startTime}\n`),
    ];
  };
  const hide = (): void => {
    for (const file of announced.splice(0).toReversed()) file.remove();
  };
  undo.defer(hide);
  announce();
  const files = (): string[] => {
    if (!stateDir.isInPlace()) return [];
    const own = sockets.map((one) => one.address);
    return [...own, ...(announced.length > 0 ? [stateDir.host.address, stateDir.host.pid] : [])];
  };
  const restore = async (): Promise<void> => {
    await Promise.all(sockets.map((one) => one.restore()));
    if (announced.length > 0) announce();
  };
  undo.use(keepFiles(files, { restore, log: host.log }));
  const own = undo.move();
  host.log.info({ address }, 'Serving ttrpc');
  return {
    address,
    announce,
    hide,
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

/** What gRPC needs is loaded only where it is wanted. */
async function openController(
  host: Host,
  parts: { calls: SandboxCalls; taskAddress: string },
): Promise<ServedController | undefined> {
  const { grpc } = host.config;
  if (!grpc) return undefined;
  const { serveController } = await import('./controller/serve-controller.ts');
  return serveController(host, { address: grpc.address ?? host.stateDir.host.grpcSocket, ...parts });
}
