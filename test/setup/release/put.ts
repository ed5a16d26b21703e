import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Options of gzip for what is packed once and read often. */
export const BEST = { level: 9 } as const;

/** Writes a file, and makes the directory for it. The mode is that, whatever the umask. */
export async function put(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  await chmod(path, mode);
}
