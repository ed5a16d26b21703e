import { CONTROLLER, startControllerContainerd } from './controller-containerd.ts';
import { startShimContainerd, type ShimContainerd, type ShimContainerdOptions } from './shim-containerd.ts';

/** The ways in which containerd can reach us. */
export type PodWay = 'shim' | 'controller';

/** All of them. */
export const podWays: readonly PodWay[] = ['shim', 'controller'];

/** Starts a containerd that has a runtime handler `virtiofs`, and whose handlers are all ours in this way. */
export function startPods(way: PodWay, options: ShimContainerdOptions): Promise<ShimContainerd> {
  const sandboxer = way === 'shim' ? 'shim' : CONTROLLER;
  const handlers = Object.entries({ virtiofs: {}, ...options.runtimes });
  const runtimes = Object.fromEntries(handlers.map(([name, handler]) => [name, { ...handler, sandboxer }]));
  return (way === 'shim' ? startShimContainerd : startControllerContainerd)({ ...options, runtimes });
}
