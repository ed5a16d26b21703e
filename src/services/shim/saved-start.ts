import { join } from 'node:path';
import { readForeign } from '../../foreign/read.ts';

/** What a shim's `start` saves in the bundle: its standard input. */
export const SAVED_INPUT = 'shim-start.stdin';
/** And what it was told in its environment, a line `NAME=value` each. */
export const SAVED_ENVIRONMENT = 'shim-start.env';

/** containerd's ttrpc address, as `start` was told it; undefined where none of ours made the bundle. */
export async function readTtrpcAddress(bundlePath: string): Promise<string | undefined> {
  const saved = await readForeign(join(bundlePath, SAVED_ENVIRONMENT)).catch(() => undefined);
  return saved && /^TTRPC_ADDRESS=(.+)$/m.exec(saved.toString())?.[1];
}
