import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { Introspection } from '../../proto/containerd/introspection_pb.ts';

/** Sandbox controllers, as containerd calls that type of plugin (plugins/types.go). */
const TYPE = 'io.containerd.sandbox.controller.v1';

/** What containerd adds to the path of its socket for that of ttrpc; of itself it tells on the first alone. */
const TTRPC_SUFFIX = '.ttrpc';

/** Of a containerd that hangs. */
const TIMEOUT_MS = 5000;

/** A name, as HTTP wants one; it leads nowhere. */
const BASE_URL = 'http://containerd';

/**
 * Asks a containerd that runs, by the address of its ttrpc socket, whether it calls the sandbox controller at `controller`.
 * Resolves to what is missing and what helps, in one line; to undefined where nothing is, and where no containerd is there.
 */
export async function askContainerd(ttrpcAddress: string, controller: string): Promise<string | undefined> {
  if (!ttrpcAddress.endsWith(TTRPC_SUFFIX)) return undefined;
  const containerd = ttrpcAddress.slice(0, -TTRPC_SUFFIX.length);
  if (!existsSync(containerd)) return undefined;
  try {
    if ((await controllersOf(containerd)).includes(controller)) return undefined;
  } catch (error) {
    const { rawMessage, code } = ConnectError.from(error);
    // It has ended, and left its socket.
    if (code === Code.Unavailable) return undefined;
    return `Cannot ask containerd at "${containerd}" for its sandbox controllers: ${rawMessage}`;
  }
  const lines = `[proxy_plugins.virtiofs] with type = "sandbox" and address = "${controller}"`;
  return `containerd at "${containerd}" will call no sandbox controller at "${controller}": add ${lines} to its configuration, and restart it`;
}

/** The addresses of the controllers that it calls outside. */
async function controllersOf(containerd: string): Promise<string[]> {
  const sessionManager = new Http2SessionManager(
    BASE_URL,
    {},
    { createConnection: () => connect(containerd) },
  );
  try {
    const transport = createGrpcTransport({ baseUrl: BASE_URL, sessionManager });
    const filters = [`type==${TYPE}`];
    const { plugins } = await createClient(Introspection, transport).plugins(
      { filters },
      { timeoutMs: TIMEOUT_MS },
    );
    return plugins.flatMap(({ exports }) => exports['address']?.replace(/^unix:\/\//, '') ?? []);
  } finally {
    sessionManager.abort();
  }
}
