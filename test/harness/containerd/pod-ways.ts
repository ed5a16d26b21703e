import { startShimContainerd, type ShimContainerd, type ShimContainerdOptions } from './shim-containerd.ts';

/** The ways in which containerd can reach us: `sandboxer` of a runtime handler. */
export type PodWay = 'shim';

/** All of them. */
export const podWays: readonly PodWay[] = ['shim'];

/** Starts a containerd whose runtime handler `virtiofs` is ours in this way, besides those of the options. */
export function startPods(way: PodWay, options: ShimContainerdOptions): Promise<ShimContainerd> {
  const sandboxer = way;
  const runtimes = { virtiofs: { sandboxer }, ...options.runtimes };
  return startShimContainerd({ ...options, runtimes });
}
