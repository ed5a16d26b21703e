import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Code, connect, createServer, StatusError } from 'ttrpc-ts';
import type { Host } from '../host/host.ts';
import { Sandbox } from '../proto/containerd/sandbox_pb.ts';
import { createSandboxService } from './sandbox-service.ts';
import { traceCalls } from './trace-calls.ts';

/** A host's ttrpc services, listening. Disposal ends them and leaves the host's sandboxes alone. */
export interface Serving extends AsyncDisposable {
  /** The unix socket's path. */
  readonly address: string;
}

/**
 * Serves a host to containerd on the configured unix socket, which only its owner can open.
 *
 * @throws StatusError AlreadyExists while another server answers there
 */
export async function serve(host: Host): Promise<Serving> {
  const address = host.config.ttrpc.address ?? join(host.config.state, 'host.sock');
  await removeStale(address);
  const server = createServer({ interceptors: [traceCalls(host.log)] });
  server.service(Sandbox, createSandboxService(host));
  await server.listen({ path: address, mode: 0o600 });
  host.log.info({ address }, 'Serving ttrpc');
  return { address, [Symbol.asyncDispose]: () => server.close() };
}

/** A host that was killed leaves its socket file behind. */
async function removeStale(address: string): Promise<void> {
  const other = await connect({ path: address }).catch(() => undefined);
  if (!other) return rmSync(address, { force: true });
  await other[Symbol.asyncDispose]();
  throw new StatusError(
    Code.AlreadyExists,
    `Another server answers on "${address}": end it, or set another ttrpc.address`,
  );
}
