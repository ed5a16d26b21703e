import { createConnection } from 'node:net';
import { join } from 'node:path';

import { execa } from 'execa';

import { eventually } from '../eventually.ts';
import { markOf } from './marked-processes.ts';
import { startShimContainerd, type ShimContainerd, type ShimContainerdOptions } from './shim-containerd.ts';

/** The name of our controller among containerd's proxy plugins. */
export const CONTROLLER = 'virtiofs';

const main = join(import.meta.dirname, '../../../src/cli/main.ts');

/** A containerd whose sandbox controller is a host of this checkout, besides its shim. */
export interface ControllerContainerd extends ShimContainerd {
  /** Starts a host, and returns when it serves; there is one from the start. */
  startHost(): Promise<void>;
  /** Ends the host alone, and waits until it is gone. */
  endHost(signal: NodeJS.Signals): Promise<void>;
  readonly hostPid: number;
  /** The controller's own socket. */
  readonly controllerAddress: string;
}

/** Starts both; runtime handlers that name no sandboxer get ours. */
export async function startControllerContainerd({
  config = '',
  runtimes = { virtiofs: {} },
  ...options
}: ShimContainerdOptions): Promise<ControllerContainerd> {
  const ours = Object.entries(runtimes).map(([name, one]) => [name, { sandboxer: CONTROLLER, ...one }]);
  await using stack = new AsyncDisposableStack();
  const containerd = stack.use(
    await startShimContainerd({
      ...options,
      config: `${config}\n[grpc]\n`,
      runtimes: Object.fromEntries(ours) as typeof runtimes,
      extraConfig: (dir) =>
        `[proxy_plugins.${CONTROLLER}]\n  type = "sandbox"\n  address = "${socketOf(dir)}"\n`,
    }),
  );
  const { dir, configFile, state } = containerd;
  let host: ReturnType<typeof run> | undefined;
  const run = () =>
    execa(process.execPath, [main, 'serve', '--config', configFile, '--state', state], {
      reject: false,
      cleanup: false,
      stdin: 'ignore',
      stdout: { file: join(dir, 'host.out'), append: true },
      stderr: { file: join(dir, 'host.out'), append: true },
      env: markOf(dir),
    });
  const startHost = async (): Promise<void> => {
    const starting = run();
    host = starting;
    await eventually('the controller is served', async () => {
      const { exitCode, signalCode } = starting.nodeChildProcess ?? {};
      if (exitCode !== null || signalCode !== null)
        throw new Error(`The host ended: see ${join(dir, 'host.out')}`);
      // The file is there from before, too.
      return answers(socketOf(dir));
    });
  };
  const endHost = async (signal: NodeJS.Signals): Promise<void> => {
    host?.kill(signal);
    await host;
  };
  // Before containerd: what it leaves alive is ended by its mark.
  stack.defer(() => endHost('SIGTERM'));
  await startHost();
  const own = stack.move();
  const additions = {
    startHost,
    endHost,
    controllerAddress: socketOf(dir),
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
  return new Proxy(containerd as ControllerContainerd, {
    get: (target, key) => {
      if (key === 'hostPid') return host?.pid ?? 0;
      return Reflect.get(key in additions ? additions : target, key) as unknown;
    },
  });
}

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });

const socketOf = (dir: string): string => join(dir, 'shim/grpc.sock');
