import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectGrpc, type GrpcConnection } from '../harness/containerd/grpc.ts';
import { startShimContainerd } from '../harness/containerd/shim-containerd.ts';
import { startLineProcess, type LineProcess } from './line-process.ts';
import type { Memory } from './memory.ts';
import type { Turns } from './turns.ts';
import { openWorkbench } from './workbench.ts';

/** By what containerd reaches sandboxes: the same host twice, and a controller that does nothing. */
export const WAYS = { controller: 'virtiofs', shim: 'shim', empty: 'empty' } as const;

/** One of {@link WAYS}, and the CRI runtime handler that takes it. */
export type Way = keyof typeof WAYS;

/** A host that the suite can look into. Disposal ends it and its shares. */
export interface ServingHost extends AsyncDisposable {
  memory(): Promise<Memory>;
  /** What the event loop goes through during an action. */
  turnsOf(action: () => Promise<void>): Promise<Turns>;
}

/** A containerd that reaches one host by its controller and by its shim. Disposal ends all of it. */
export interface Stand extends AsyncDisposable {
  readonly grpc: GrpcConnection;
  readonly host: ServingHost;
  /** A directory to share; CRI's pods have it as their only share. */
  readonly source: string;
}

const programOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Starts them, with a CRI runtime handler for each of {@link WAYS}. */
export async function openStand(): Promise<Stand> {
  await using stack = new AsyncDisposableStack();
  const { directory, source } = stack.use(await openWorkbench());
  const emptySocket = join(directory, 'empty.sock');
  const state = join(directory, 'state');
  const containerd = stack.use(
    await startShimContainerd({
      version: '2.4.2',
      config: `[grpc]\n[[shares]]\ntag = "bench"\nsource = "${source}"\n`,
      runtimes: Object.fromEntries(Object.entries(WAYS).map(([way, sandboxer]) => [way, { sandboxer }])),
      extraConfig:
        proxyPlugin(WAYS.controller, join(state, 'grpc.sock')) + proxyPlugin(WAYS.empty, emptySocket),
      // In memory, as /run is.
      env: { CONTAINERD_SHIM_VIRTIOFS_STATE: state },
    }),
  );
  const empty = stack.use(
    startLineProcess(process.execPath, [programOf('empty-controller.ts'), emptySocket]),
  );
  await empty.ask('ready');
  const host = stack.use(await startHost({ configFile: containerd.configFile, state, directory }));
  const grpc = stack.use(connectGrpc(containerd.address));
  const own = stack.move();
  return { grpc, host, source, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

/** What a host takes that serves and has nothing to do, with the lines added to its configuration. */
export async function measureIdleHost(lines: string): Promise<Memory> {
  await using stack = new AsyncDisposableStack();
  const { directory } = stack.use(await openWorkbench());
  const [configFile, state] = [join(directory, 'config.toml'), join(directory, 'state')];
  await writeFile(configFile, `version = 1\nscratch_dir = "${state}"\n${lines}`);
  const host = stack.use(await startHost({ configFile, state, directory }));
  return host.memory();
}

const proxyPlugin = (name: string, address: string): string =>
  `[proxy_plugins.${name}]\n  type = "sandbox"\n  address = "${address}"\n`;

async function startHost({
  configFile,
  state,
  directory,
}: {
  configFile: string;
  state: string;
  directory: string;
}): Promise<ServingHost> {
  const logFile = join(directory, 'host.log');
  const lines = startLineProcess(process.execPath, [
    programOf('serving-host.ts'),
    configFile,
    state,
    logFile,
  ]);
  try {
    await lines.ask('memory'); // it serves then
  } catch (error) {
    await lines[Symbol.asyncDispose]();
    throw new Error(`The host did not start: ${await readFile(logFile, 'utf8')}`, { cause: error });
  }
  return {
    memory: () => ask<Memory>(lines, 'memory'),
    async turnsOf(action) {
      await lines.ask('observe');
      await action();
      return ask<Turns>(lines, 'observed');
    },
    [Symbol.asyncDispose]: () => lines[Symbol.asyncDispose](),
  };
}

const ask = async <T>(lines: LineProcess, line: string): Promise<T> => JSON.parse(await lines.ask(line)) as T;
