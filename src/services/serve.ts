import { lstatSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Code, connect, createServer, StatusError } from 'ttrpc-ts';
import { identify } from '../proc/stat.ts';
import type { Host } from '../host/host.ts';
import { Sandbox } from '../proto/containerd/sandbox_pb.ts';
import { Task } from '../proto/containerd/task_pb.ts';
import { keepFiles } from './keep-files.ts';
import { printableErrors } from './printable-errors.ts';
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

/**
 * Serves a host to containerd on the configured unix socket, which only its owner can open.
 *
 * @throws StatusError AlreadyExists while another server answers there
 */
export async function serve(host: Host): Promise<Serving> {
  const { stateDir, config } = host;
  const address = config.ttrpc.address ?? stateDir.host.socket;
  mkdirSync(dirname(address), { recursive: true, mode: 0o700 });
  await removeStale(address);
  const server = createServer({ interceptors: [traceCalls(host.log), printableErrors] })
    .service(Sandbox, createSandboxService(host))
    .service(Task, createTaskService(host));
  await using undo = new AsyncDisposableStack();
  undo.use(server);
  await server.listen({ path: address, mode: 0o600 });
  let isHidden = false;
  const announce = (): void => {
    isHidden = false;
    writeFileSync(stateDir.host.pid, `${process.pid} ${identify(process.pid)?.startTime}\n`, { mode: 0o600 });
    writeFileSync(stateDir.host.address, `${address}\n`, { mode: 0o600 });
  };
  const hide = (): void => {
    isHidden = true;
    rmSync(stateDir.host.address, { force: true });
    rmSync(stateDir.host.pid, { force: true });
  };
  announce();
  const files = (): string[] => [address, ...(isHidden ? [] : [stateDir.host.address, stateDir.host.pid])];
  const restore = async (missing: readonly string[]): Promise<void> => {
    if (missing.includes(address)) await server.listen({ path: address, mode: 0o600 });
    if (!isHidden) announce();
  };
  const keeper = keepFiles(files, { restore, log: host.log });
  undo.move();
  host.log.info({ address }, 'Serving ttrpc');
  return {
    address,
    announce,
    hide,
    async [Symbol.asyncDispose]() {
      keeper[Symbol.dispose]();
      hide();
      await server.close();
    },
  };
}

/** A host that was killed leaves its socket file behind. Nothing but a socket is removed. */
async function removeStale(address: string): Promise<void> {
  if (!lstatSync(address, { throwIfNoEntry: false })?.isSocket()) return;
  const other = await connect({ path: address }).catch(() => undefined);
  if (!other) return rmSync(address, { force: true });
  await other[Symbol.asyncDispose]();
  throw new StatusError(
    Code.AlreadyExists,
    `Another server answers on "${address}": end it, or set another ttrpc.address`,
  );
}
