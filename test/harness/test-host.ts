import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, createClient, type Client } from 'ttrpc-ts';
import type { ConfigInput } from '../../src/config/schema.ts';
import { sendTraceContext } from '../../src/services/send-trace-context.ts';
import { serve } from '../../src/services/serve.ts';
import { openHost, type Host, type HostOptions } from '../../src/host/host.ts';
import { Sandbox } from '../../src/proto/containerd/sandbox_pb.ts';
import { captureLog, type CapturedLog } from './captured-log.ts';
import { fixture } from './fixtures.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** The virtiofs plugin's table of the configuration. */
export const VIRTIOFS = 'io.containerd.fsshare.v1.virtiofs';

/** A host on a state directory of its own, whose daemon is a fixture. */
export interface TestHost extends AsyncDisposable {
  readonly host: Host;
  /** The host's state directory. */
  readonly state: string;
  /** A directory for the test, around the state. */
  readonly path: string;
  /** A directory to share. */
  readonly source: string;
  readonly captured: CapturedLog;
}

/** Settings of {@link openTestHost}. */
export interface TestHostOptions extends Omit<HostOptions, 'config'> {
  /** Added to the configuration. */
  readonly config?: Partial<ConfigInput>;
  /** A program of test/fixtures, or a path. @default waits */
  readonly daemon?: string;
  /** Added to the plugin's table. */
  readonly virtiofs?: Record<string, unknown>;
}

/** Opens a host. Disposal closes it and removes its directory. */
export async function openTestHost(options: TestHostOptions = {}): Promise<TestHost> {
  const { config = {}, daemon = 'waits', virtiofs = {}, ...rest } = options;
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const captured = captureLog();
  const state = join(path, 'state');
  const source = join(path, 'source');
  await mkdir(source);
  const host = await openHost({
    log: captured.log,
    ...rest,
    config: {
      version: 1,
      state,
      scratch_dir: state,
      ...config,
      plugins: { [VIRTIOFS]: { ...virtiofsTable(daemon), ...virtiofs }, ...config.plugins },
    },
  });
  stack.use(host);
  const own = stack.move();
  return { host, state, path, source, captured, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

/** The table of the virtiofs plugin for a daemon of test/fixtures, which takes any arguments. */
export const virtiofsTable = (daemon: string): Record<string, unknown> => ({
  virtio_fs_daemon: daemon.startsWith('/') ? daemon : fixture(daemon),
  virtio_fs_dialect: 'rust',
  virtio_fs_start_timeout_ms: 600_000,
});

/** A host that is served over ttrpc, and a client of it. */
export interface ServedHost extends TestHost {
  readonly client: Client<typeof Sandbox>;
  readonly address: string;
  /** Another connection, for what ends one. */
  connect(): Promise<{ client: Client<typeof Sandbox> } & AsyncDisposable>;
}

/** Opens a host and serves it. Disposal closes all of it. */
export async function serveTestHost(options: TestHostOptions = {}): Promise<ServedHost> {
  await using stack = new AsyncDisposableStack();
  const testHost = stack.use(await openTestHost(options));
  const { address } = stack.use(await serve(testHost.host));
  const connectAgain = async (): Promise<{ client: Client<typeof Sandbox> } & AsyncDisposable> => {
    const transport = await connect({ path: address, interceptors: [sendTraceContext] });
    return { client: createClient(Sandbox, transport), [Symbol.asyncDispose]: () => transport.close() };
  };
  const { client } = stack.use(await connectAgain());
  const own = stack.move();
  return {
    ...testHost,
    client,
    address,
    connect: connectAgain,
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}
