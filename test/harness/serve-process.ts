import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { connect, createClient, type Client } from 'ttrpc-ts';
import { Sandbox } from '../../src/proto/containerd/sandbox_pb.ts';
import { Shares } from '../../src/proto/share/shares_pb.ts';
import { eventually } from './eventually.ts';
import { PATIENT_DAEMON } from './patience.ts';
import { VIRTIOFS } from './test-host.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** `shim-virtiofs serve` in a process of its own. Disposal kills it. */
export interface ServeProcess extends AsyncDisposable {
  readonly pid: number;
  readonly client: Client<typeof Sandbox>;
  /** Of its share service, on the same connection. */
  readonly shares: Client<typeof Shares>;
  /** The lines of its log until now, and whatever else it has printed. */
  readonly output: readonly string[];
  /** Sends a signal and resolves to the exit code, or to the name of the signal that ended it. */
  end(signal: NodeJS.Signals): Promise<number | string | undefined>;
}

/** The host that a state directory tells of. */
export function pidOnRecord(state: string): number | undefined {
  try {
    return Number(readFileSync(join(state, 'host.pid'), 'utf8').split(' ')[0]);
  } catch {
    return undefined;
  }
}

/** Starts a host in `directory`, whose daemon is the program `daemon`, and waits until it answers. */
export async function startServe(
  directory: string,
  {
    daemon,
    pluginDirs = [],
    dialect = 'rust',
    top = '',
    table = '',
    scratchDir = `${directory}/state`,
    nodeArguments = [],
    environment = {},
    args = [],
  }: {
    daemon: string;
    pluginDirs?: readonly string[];
    dialect?: 'c' | 'rust';
    /** Further lines at the top of the configuration. */
    top?: string;
    /** Further lines in the table of the virtiofs plugin. */
    table?: string;
    /** @default the state directory */
    scratchDir?: string;
    /** Options of Node.js itself. @default none */
    nodeArguments?: readonly string[];
    /** Added to the environment, or taken out of it. @default nothing */
    environment?: Readonly<Record<string, string | undefined>>;
    /** Further options of `serve`. @default none */
    args?: readonly string[];
  },
): Promise<ServeProcess> {
  const config = join(directory, 'config.toml');
  await writeFile(
    config,
    `version = 1
state = "${directory}/state"
scratch_dir = "${scratchDir}"
plugin_dirs = ${JSON.stringify(pluginDirs)}
plugin_timeout_ms = 600000
${top}
[plugins."${VIRTIOFS}"]
virtio_fs_daemon = "${daemon}"
virtio_fs_dialect = "${dialect}"
${PATIENT_DAEMON}
${table}
`,
  );
  await using stack = new AsyncDisposableStack();
  const host = execa(process.execPath, [...nodeArguments, main, 'serve', '--config', config, ...args], {
    all: true,
    reject: false,
    env: environment,
  });
  stack.defer(async () => {
    host.kill('SIGKILL');
    await host;
  });
  const output: string[] = [];
  createInterface(host.all).on('line', (line) => void output.push(line));
  const path = join(directory, 'state', 'host.sock');
  const isFound = (): boolean =>
    !args.includes('--take-over') || pidOnRecord(join(directory, 'state')) === host.pid;
  let transport: Awaited<ReturnType<typeof connect>> | undefined;
  await eventually('the host answers', async () => {
    const { exitCode, signalCode } = host.nodeChildProcess ?? {};
    if (exitCode !== null || signalCode !== null) throw new Error(`The host ended: ${(await host).all}`);
    transport = isFound() ? await connect({ path }).catch(() => undefined) : undefined;
    return transport !== undefined;
  });
  if (!transport) throw new Error('Not reached');
  const client = createClient(Sandbox, stack.use(transport));
  const shares = createClient(Shares, transport);
  const own = stack.move();
  return {
    pid: host.pid ?? 0,
    client,
    shares,
    output,
    async end(signal) {
      host.kill(signal);
      const { exitCode, signal: endedBy } = await host;
      return exitCode ?? endedBy;
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}
