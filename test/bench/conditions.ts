import { arch, availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

/** On what the benchmarks ran. */
export interface Conditions {
  readonly date: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly kernel: string;
  readonly node: string;
  /** Processes wanting to run, a minute's mean: other work makes the numbers worse, the ratios less so. */
  readonly load: number;
}

/** Returns on what we run, now. */
export function observeConditions(): Conditions {
  return {
    date: new Date().toISOString(),
    processor: `${cpus()[0]?.model.trim() ?? 'unknown'} (${arch()})`,
    cores: availableParallelism(),
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    node: process.version,
    load: loadavg()[0] ?? 0,
  };
}

/** Returns them as one line. */
export function describeConditions({ processor, cores, memoryMiB, kernel, node, load }: Conditions): string {
  return `${processor}, ${cores} cores, ${memoryMiB} MiB, Linux ${kernel}, Node ${node}, load ${load.toFixed(2)}`;
}
