import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What this process takes, without garbage, in MiB. */
export interface Memory {
  readonly resident: number;
  readonly heap: number;
}

/** Collects garbage, then measures. */
export function observeMemory(): Memory {
  collectGarbage();
  const { rss, heapUsed } = process.memoryUsage();
  return { resident: rss / 2 ** 20, heap: heapUsed / 2 ** 20 };
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
