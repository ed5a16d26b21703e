import { setImmediate as nextTurn } from 'node:timers/promises';
import { createServer, type Server } from 'ttrpc-ts';
import type { Host } from '../host/host.ts';
import { Sandbox } from '../proto/containerd/sandbox_pb.ts';
import { Host as HostService } from '../proto/host/host_pb.ts';
import { Shares } from '../proto/share/shares_pb.ts';
import { Task } from '../proto/containerd/task_pb.ts';
import { afterAdoption } from './after-adoption.ts';
import { clearAddress, hiddenBeside, publishSocket } from './address.ts';
import { createGate, type Gate } from './hand-over/gate.ts';
import { createHandOverService, type Successor } from './hand-over/hand-over-service.ts';
import type { Reception } from './hand-over/reception.ts';
import type { OwnFile } from './own-file.ts';
import { openPlace } from './place.ts';
import { printableErrors } from './printable-errors.ts';
import { createShareService } from './share-api/share-service.ts';
import { createSandboxService } from './shim/sandbox-service.ts';
import { createTaskService } from './shim/task-service.ts';
import { traceCalls } from './trace-calls.ts';

/** A host's ttrpc services, listening. Disposal ends them and leaves the host's sandboxes alone. */
export interface Serving extends AsyncDisposable {
  /** The unix socket's path; it also stands in `host.address` of the state directory, and who we are in `host.pid`. */
  readonly address: string;
  /** Lets a shim's `start` find this host; serving begins so. */
  announce(): void;
  /** No `start` finds this host from now on, unless it has already. */
  hide(): void;
}

/** How a host is served. */
export interface ServeOptions {
  /** A socket at which callers wait already. @default none: it listens */
  readonly reception?: Reception | undefined;
  /**
   * Called when another host that takes over has told this one to end, its shares alive.
   *
   * @default this host hands over to nobody
   */
  readonly onHandedOver?: ((successor: Successor) => void) | undefined;
}

/**
 * Serves a host to containerd and to callers of the share service on the configured unix socket, which only its owner can open.
 *
 * @throws StatusError AlreadyExists while another server answers there
 */
export async function serve(host: Host, { reception, onHandedOver }: ServeOptions = {}): Promise<Serving> {
  const { stateDir, config } = host;
  const address = config.ttrpc.address ?? stateDir.host.socket;
  await using undo = new AsyncDisposableStack();
  if (reception) undo.use(reception);
  else await clearAddress(address);
  const shares = undo.use(createShareService(host));
  const gate = createGate();
  const server = undo.use(createHostServer(host, gate).service(Shares, shares));
  undo.defer(() => refuseWaiting(gate));
  const listen = async (options: { replaces: boolean }): Promise<OwnFile> => {
    const hidden = hiddenBeside(address);
    await server.listen({ path: hidden, mode: 0o600 });
    return publishSocket(hidden, address, options);
  };
  const socket = reception
    ? reception.serve((stream) => server.handle(stream))
    : await listen({ replaces: false });
  const place = undo.use(openPlace({ stateDir, log: host.log, address, socket, listen }));
  if (onHandedOver) {
    const resume = (): Promise<void> => place.resume();
    server.service(HostService, createHandOverService({ host, gate, resume, onHandedOver }));
  }
  const own = undo.move();
  host.log.info({ address }, 'Serving ttrpc');
  return {
    address,
    announce: () => place.announce(),
    hide: () => place.hide(),
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

function createHostServer(host: Host, gate: Gate): Server {
  const interceptors = [afterAdoption(host), gate.interceptor, traceCalls(host.log), printableErrors];
  return createServer({ interceptors })
    .service(Sandbox, createSandboxService(host))
    .service(Task, createTaskService(host));
}

/** Their callers are told before their connections end. */
async function refuseWaiting(gate: Gate): Promise<void> {
  gate.refuse();
  await nextTurn();
  await nextTurn();
}
