import { join } from 'node:path';

import { controllerHost } from './controller-host.ts';
import { startShimContainerd, type ShimContainerd, type ShimContainerdOptions } from './shim-containerd.ts';

/** The name of our controller among containerd's proxy plugins. */
export const CONTROLLER = 'virtiofs';

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
  // Ends before containerd: what it leaves alive is ended by its mark.
  const host = stack.use(controllerHost(containerd));
  await host.start();
  const own = stack.move();
  const additions = {
    startHost: () => host.start(),
    endHost: (signal: NodeJS.Signals) => host.end(signal),
    controllerAddress: socketOf(containerd.dir),
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
  return new Proxy(containerd as ControllerContainerd, {
    get: (target, key) => {
      if (key === 'hostPid') return host.pid;
      return Reflect.get(key in additions ? additions : target, key) as unknown;
    },
  });
}

const socketOf = (dir: string): string => join(dir, 'shim/grpc.sock');
