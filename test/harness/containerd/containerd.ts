import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { execa } from 'execa';

import { obtain } from '../../setup/obtain.ts';
import { containerdBinaries, type ContainerdVersion } from './containerd-binaries.ts';
import { configurationWarnings, containerdConfig, type CriRuntime } from './containerd-config.ts';
import { endMarkedProcesses, markOf, markedProcesses, type MarkedProcess } from './marked-processes.ts';
import { openOwnNetwork, writeBridgeConfig, type OwnNetwork } from './own-network.ts';
import { PAUSE_IMAGE, writePauseImage } from './pause-image.ts';
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
  /** Gives pods addresses, on a bridge in a network of containerd's own. @default pods of the host's network only */
  readonly cni?: boolean;
  /** Lets NRI plugins connect. @default false */
  readonly nri?: boolean;
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
  /** The network that it is in; undefined where that is the machine's. */
  readonly network: OwnNetwork | undefined;
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
  const network = options.cni === true ? stack.use(await openOwnNetwork(dir)) : undefined;
  if (network) await writeBridgeConfig(dir);
  const program = {
    binary: join(binaries, 'containerd'),
    args: ['--config', await writeConfig(dir, options)],
  };
  const address = join(dir, 'c.sock');
  const { version, env = {} } = options;
  const command = {
    ...(network ? network.enter(program) : program),
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
  const ctr: Containerd['ctr'] = (args, { signal } = {}) =>
    runCtr(join(binaries, 'ctr'), ['-a', address, ...args], signal);
  if (wantsPauseImage(options)) await importPauseImage(dir, ctr);
  const owned = stack.move();
  return {
    version,
    dir,
    address,
    ttrpcAddress: `${address}.ttrpc`,
    network,
    get pid() {
      return running.pid;
    },
    ctr,
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

async function writeConfig(dir: string, options: ContainerdOptions): Promise<string> {
  const { version, runtimes = {}, imports = [], cni = false, nri = false, extraConfig = '' } = options;
  const extra = typeof extraConfig === 'string' ? extraConfig : extraConfig(dir);
  const cniPlugins = cni ? await obtain('cni') : undefined;
  const pauseImage = wantsPauseImage(options) ? PAUSE_IMAGE : undefined;
  const file = join(dir, 'config.toml');
  const config = { dir, version, runtimes, imports, cniPlugins, nri, pauseImage, extra };
  await writeFile(file, containerdConfig(config));
  return file;
}

/** containerd 2.3 has no setting by which pods of our runtimes need none. */
const wantsPauseImage = ({ version, runtimes = {} }: ContainerdOptions): boolean =>
  version === '2.3.7' && Object.keys(runtimes).length > 0;

async function importPauseImage(dir: string, ctr: Containerd['ctr']): Promise<void> {
  const archive = await writePauseImage(dir);
  const { code, stderr } = await ctr(['-n', 'k8s.io', 'images', 'import', '--no-unpack', archive]);
  if (code !== 0) throw new Error(`Cannot import the pause image: ${stderr}`);
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
