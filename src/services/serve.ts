import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { createServer } from 'ttrpc-ts';
import { identify } from '../proc/stat.ts';
import type { Host } from '../host/host.ts';
import { keepFiles } from '../host/keep-files.ts';
import { Sandbox } from '../proto/containerd/sandbox_pb.ts';
import { Shares } from '../proto/share/shares_pb.ts';
import { Task } from '../proto/containerd/task_pb.ts';
import { afterAdoption } from './after-adoption.ts';
import { hiddenBeside, publishSocket, removeStaleSocket } from './address.ts';
import { writeOwnFile, type OwnFile } from './own-file.ts';
import { printableErrors } from './printable-errors.ts';
import { requireSafePath } from '../share/safe-path.ts';
import { publishEvents } from './events/publish-events.ts';
import { createShareService } from './share-api/share-service.ts';
import { createSandboxService } from './shim/sandbox-service.ts';
import { createSandboxLogs } from './shim/sandbox-logs.ts';
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

/**
 * Serves a host to containerd and to callers of the share service on the configured unix socket, which only its owner can open.
 *
 * @throws StatusError AlreadyExists while another server answers there
 */
export async function serve(host: Host): Promise<Serving> {
  const { stateDir, config } = host;
  const address = config.ttrpc.address ?? stateDir.host.socket;
  await using undo = new AsyncDisposableStack();
  // Before anything is waited for: what is being adopted may have ended.
  const reports = { events: undo.use(publishEvents(host)), logs: undo.use(createSandboxLogs(host)) };
  mkdirSync(dirname(address), { recursive: true, mode: 0o700 });
  requireSafePath(dirname(address));
  await removeStaleSocket(address);
  const shares = undo.use(createShareService(host));
  const server = createServer({ interceptors: [afterAdoption(host), traceCalls(host.log), printableErrors] })
    .service(Sandbox, createSandboxService(host, reports))
    .service(Task, createTaskService(host))
    .service(Shares, shares);
  undo.use(server);
  const listen = async (): Promise<OwnFile> => {
    const hidden = hiddenBeside(address);
    await server.listen({ path: hidden, mode: 0o600 });
    return publishSocket(hidden, address);
  };
  let socket = await listen();
  undo.defer(() => socket.remove());
  let announced: OwnFile[] = [];
  const announce = (): void => {
    if (!stateDir.isInPlace()) return;
    announced = [
      writeOwnFile(stateDir.host.pid, `${process.pid} ${identify(process.pid)?.startTime}\n`),
      writeOwnFile(stateDir.host.address, `${address}\n`),
    ];
  };
  const hide = (): void => {
    for (const file of announced.splice(0).toReversed()) file.remove();
  };
  undo.defer(hide);
  announce();
  const files = (): string[] => {
    if (!stateDir.isInPlace()) return [];
    return [address, ...(announced.length > 0 ? [stateDir.host.address, stateDir.host.pid] : [])];
  };
  const restore = async (missing: readonly string[]): Promise<void> => {
    if (missing.includes(address)) socket = await listen();
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
