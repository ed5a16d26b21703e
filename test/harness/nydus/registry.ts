import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { obtain } from '../../setup/obtain.ts';
import { freePorts } from '../containerd/free-ports.ts';
import { startServer, type ServerProcess } from '../containerd/server-process.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { openMeter } from './meter.ts';

/** A real OCI registry on loopback. Disposal ends it. */
export interface Registry extends AsyncDisposable {
  /** Host and port, as images name them. */
  readonly host: string;
  /** How many bytes have come from it. */
  readonly bytesSent: number;
  /** Ends it; then nobody answers on its port. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts one, empty.
 *
 * @param options.htpasswd lets in these users only; lines as htpasswd(1) writes them with bcrypt. @default everybody
 */
export async function startRegistry({ htpasswd }: { htpasswd?: string } = {}): Promise<Registry> {
  const binary = await obtain('registry');
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const { running, port } = await startOnFreePort(binary, path, htpasswd);
  const stop = (): Promise<void> => running.stop('SIGTERM');
  stack.defer(stop);
  const meter = stack.use(await openMeter(port));
  const own = stack.move();
  return {
    host: `127.0.0.1:${meter.port}`,
    get bytesSent() {
      return meter.bytes;
    },
    stop,
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

async function startOnFreePort(
  binary: string,
  directory: string,
  htpasswd: string | undefined,
  attempt = 1,
): Promise<{ running: ServerProcess; port: number }> {
  const [port = 0] = await freePorts(1);
  const users = join(directory, 'htpasswd');
  if (htpasswd !== undefined) await writeFile(users, htpasswd);
  const config = {
    version: '0.1',
    log: { level: 'warn' },
    storage: { filesystem: { rootdirectory: join(directory, 'blobs') } },
    http: { addr: `127.0.0.1:${port}` },
    ...(htpasswd === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: users } } }),
  };
  const file = join(directory, 'config.yml');
  // JSON is YAML.
  await writeFile(file, JSON.stringify(config));
  try {
    const running = await startServer({
      binary,
      args: ['serve', file],
      env: { HOME: directory, OTEL_TRACES_EXPORTER: 'none' },
      logFile: join(directory, 'registry.log'),
      serves: () => answers(`http://127.0.0.1:${port}/v2/`),
    });
    return { running, port };
  } catch (error) {
    // Another process took the port.
    if (attempt < 3 && String(error).includes('address already in use'))
      return startOnFreePort(binary, directory, htpasswd, attempt + 1);
    throw error;
  }
}

/** 401 is an answer, too. */
const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    ({ status }) => status === 200 || status === 401,
    () => false,
  );
