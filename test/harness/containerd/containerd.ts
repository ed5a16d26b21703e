import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { execa } from 'execa';

import { containerdBinaries, type ContainerdVersion } from './containerd-binaries.ts';
import { configurationWarnings, containerdConfig, type CriRuntime } from './containerd-config.ts';
import { endMarkedProcesses, markOf, markedProcesses, type MarkedProcess } from './marked-processes.ts';
import { removeDir } from './remove-dir.ts';
import { startServer, type StopSignal } from './server-process.ts';

/** Options of `startContainerd()`. */
export interface ContainerdOptions {
  readonly version: ContainerdVersion;
  /** Directories before all others in containerd's PATH: where shims are found. @default none */
  readonly path?: readonly string[];
  /**
   * Added to an environment that otherwise holds PATH, HOME and TMPDIR only. A function may write files into the
   * directory before containerd starts. @default none
   */
  readonly env?: Readonly<Record<string, string>> | ((dir: string) => Promise<Record<string, string>>);
  /** CRI runtime handlers by name. @default none besides containerd's own runc */
  readonly runtimes?: Readonly<Record<string, CriRuntime>>;
  /** Configuration files that are merged into containerd's. @default none */
  readonly imports?: readonly string[];
  /** TOML appended to the configuration, such as proxy plugins. A function gets containerd's directory. @default "" */
  readonly extraConfig?: string | ((dir: string) => string);
}

/** What came of one run of ctr. */
export interface CtrResult {
  readonly stdout: string;
  readonly stderr: string;
  /** Undefined where a signal ended it. */
  readonly code: number | undefined;
}

/** A real containerd of a test's own. Disposal ends it and all that it left, and removes its directory. */
export interface Containerd extends AsyncDisposable {
  readonly version: ContainerdVersion;
  readonly dir: string;
  /** The gRPC socket. */
  readonly address: string;
  /** The ttrpc socket. */
  readonly ttrpcAddress: string;
  /** Changes with each restart. */
  readonly pid: number;
  /** Runs ctr of the same version. */
  ctr(args: readonly string[], options?: { signal?: AbortSignal }): Promise<CtrResult>;
  /** Ends containerd alone and waits until it is gone; its shims live on. */
  kill(signal: StopSignal): Promise<void>;
  /** Starts it again on the same state, ending it by SIGTERM before where it still runs. */
  restart(): Promise<void>;
  /** Everything that containerd and its shims wrote to standard error so far. */
  logs(): Promise<string>;
  /** All living processes that containerd started, directly or not, and that outlive it or not. */
  processes(): Promise<MarkedProcess[]>;
}

/**
 * Starts a containerd that touches nothing outside a temporary directory, and returns when it serves. Rejects where it
 * ignores something of its configuration.
 */
export async function startContainerd(options: ContainerdOptions): Promise<Containerd> {
  const binaries = await containerdBinaries(options.version);
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'csv-'));
  stack.defer(() => removeDir(dir));
  const configFile = join(dir, 'config.toml');
  const { version, runtimes = {}, imports = [], extraConfig = '', env = {} } = options;
  const extra = typeof extraConfig === 'string' ? extraConfig : extraConfig(dir);
  await writeFile(configFile, containerdConfig({ dir, version, runtimes, imports, extra }));
  const address = join(dir, 'c.sock');
  const command = {
    binary: join(binaries, 'containerd'),
    args: ['--config', configFile],
    logFile: join(dir, 'containerd.log'),
    env: environment(
      dir,
      [...(options.path ?? []), binaries],
      typeof env === 'function' ? await env(dir) : env,
    ),
    serves: (log: string) => log.includes('containerd successfully booted'),
  };
  stack.defer(() => endMarkedProcesses(dir));
  let running = await startServer(command);
  stack.defer(() => running.stop('SIGTERM'));
  refuseWarnings(await readFile(command.logFile, 'utf8'));
  const owned = stack.move();
  return {
    version,
    dir,
    address,
    ttrpcAddress: `${address}.ttrpc`,
    get pid() {
      return running.pid;
    },
    ctr: (args, { signal } = {}) => runCtr(join(binaries, 'ctr'), ['-a', address, ...args], signal),
    kill: (signal) => running.stop(signal),
    restart: async () => {
      await running.stop('SIGTERM');
      running = await startServer(command);
    },
    logs: () => readFile(command.logFile, 'utf8'),
    processes: async () => (await markedProcesses(dir)).filter(({ pid }) => pid !== running.pid),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A key that containerd ignores would make a test pass for nothing. */
function refuseWarnings(log: string): void {
  const warnings = configurationWarnings(log);
  if (warnings.length === 0) return;
  throw new Error(`containerd does not take its configuration as it is:\n${warnings.join('\n')}`);
}

function environment(
  dir: string,
  path: readonly string[],
  extra: Readonly<Record<string, string>>,
): Record<string, string> {
  const { PATH = '', HOME = '/root' } = process.env;
  return { PATH: [...path, PATH].join(':'), HOME, TMPDIR: tmpdir(), ...markOf(dir), ...extra };
}

async function runCtr(
  binary: string,
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<CtrResult> {
  const result = await execa(binary, args, {
    reject: false,
    stdin: 'ignore',
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  });
  return { stdout: result.stdout, stderr: result.stderr, code: result.exitCode };
}
