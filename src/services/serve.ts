import { setImmediate as nextTurn } from 'node:timers/promises';
import { createServer } from 'ttrpc-ts';
import type { Host } from '../host/host.ts';
import { Sandbox } from '../proto/containerd/sandbox_pb.ts';
import { Host as HostService } from '../proto/host/host_pb.ts';
import { Shares } from '../proto/share/shares_pb.ts';
import { Task } from '../proto/containerd/task_pb.ts';
import type { PassedSocket } from '../proc/passed-sockets.ts';
import { afterAdoption } from './after-adoption.ts';
import type { ControllerParts, ServedController } from './controller/serve-controller.ts';
import { publishEvents } from './events/publish-events.ts';
import { createGate, type Gate } from './hand-over/gate.ts';
import { createHandOverService, type Successor } from './hand-over/hand-over-service.ts';
import type { Receptions } from './hand-over/reception.ts';
import { openSocket } from './own-socket.ts';
import { openPlace } from './place.ts';
import { closePassed, receivePassed } from './passed-receptions.ts';
import { placesOf } from './places.ts';
import { printableErrors } from './printable-errors.ts';
import { createSandboxCalls } from './sandbox-calls.ts';
import { createShareService } from './share-api/share-service.ts';
import { createSandboxLogs } from './shim/sandbox-logs.ts';
import { createSandboxService } from './shim/sandbox-service.ts';
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

/** How a host is served. */
export interface ServeOptions {
  /** Sockets at which callers wait already. @default none: it listens */
  readonly receptions?: Receptions | undefined;
  /** Sockets that were passed to this process; they are this function's from now on. @default none */
  readonly passed?: readonly PassedSocket[] | undefined;
  /**
   * Called when another host that takes over has told this one to end, its shares alive.
   *
   * @default this host hands over to nobody
   */
  readonly onHandedOver?: ((successor: Successor) => void) | undefined;
}

/**
 * Serves a host on unix sockets that only their owner can open: by ttrpc to containerd's shim and to callers of the share
 * service, and, where the configuration has it, by gRPC to containerd as its sandbox controller.
 *
 * @throws StatusError AlreadyExists while another server answers there
 */
export async function serve(host: Host, options: ServeOptions = {}): Promise<Serving> {
  const { passed = [], onHandedOver } = options;
  const places = placesOf(host);
  if (options.receptions) closePassed(passed, host.log);
  const receptions = options.receptions ?? (await receivePassed(passed, places));
  await using undo = new AsyncDisposableStack();
  // They close last: who waits there is served by the servers.
  const waited = [receptions.ttrpc, receptions.grpc].filter((reception) => reception !== undefined);
  for (const reception of waited) undo.use(reception);
  // Before anything is waited for: what is being adopted may have ended.
  const events = undo.use(publishEvents(host));
  const logs = undo.use(createSandboxLogs(host));
  const shares = undo.use(createShareService(host));
  const calls = undo.use(createSandboxCalls(host, events));
  const gate = createGate();
  const interceptors = [afterAdoption(host), gate.interceptor, traceCalls(host.log), printableErrors];
  const server = undo.use(
    createServer({ interceptors })
      .service(Sandbox, createSandboxService(host, { calls, events, logs }))
      .service(Task, createTaskService(host))
      .service(Shares, shares),
  );
  const ttrpcServer = {
    listen: (path: string) => server.listen({ path, mode: 0o600 }),
    handle: (stream: Parameters<typeof server.handle>[0]) => server.handle(stream),
  };
  const socket = undo.use(await openSocket(places.ttrpc, ttrpcServer, receptions.ttrpc));
  const { address } = socket;
  const reception = receptions.grpc;
  const controller = await openController(host, {
    place: places.grpc,
    calls,
    gate,
    taskAddress: address,
    reception,
  });
  if (controller) undo.use(controller);
  undo.defer(() => refuseWaiting(gate));
  const sockets = [socket, ...(controller ? [controller] : [])] as const;
  const place = undo.use(openPlace({ stateDir: host.stateDir, log: host.log, sockets }));
  if (onHandedOver) {
    const resume = (): Promise<void> => place.resume();
    const grpcAddress = controller?.address;
    server.service(HostService, createHandOverService({ host, gate, grpcAddress, resume, onHandedOver }));
  }
  // First of all: a caller whose connection ends comes again at once, and would be let down by us.
  undo.defer(() => waited.forEach((one) => one.stop()));
  const own = undo.move();
  host.log.info({ address }, 'Serving ttrpc');
  return {
    address,
    announce: () => place.announce(),
    hide: () => place.hide(),
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

/** What gRPC needs is loaded only where it is wanted. */
async function openController(
  host: Host,
  { place, ...parts }: Omit<ControllerParts, 'place'> & { place: ControllerParts['place'] | undefined },
): Promise<ServedController | undefined> {
  if (!place) return undefined;
  const { serveController } = await import('./controller/serve-controller.ts');
  return serveController(host, { place, ...parts });
}

/** Their callers are told before their connections end. */
async function refuseWaiting(gate: Gate): Promise<void> {
  gate.refuse();
  await nextTurn();
  await nextTurn();
}
