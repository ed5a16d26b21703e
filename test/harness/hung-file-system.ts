import { execa } from 'execa';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { MAX_TABLE_AGE_MS } from '../../src/foreign/mount-that-can-hang.ts';
import { eventually } from './eventually.ts';
import { fixture } from './fixtures.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A file system whose server never answers, as that of a dead NFS server: who touches it waits, unkillable. Needs root. */
export interface HungFileSystem extends AsyncDisposable {
  /** Where it is mounted. Every touch at or below hangs until disposal and fails then. */
  readonly path: string;
  /** How many requests it has taken. */
  readonly requests: number;
}

/** Mounts one. Disposal lets all who wait for it fail, and unmounts it; so does the end of this process. */
export async function hungFileSystem(): Promise<HungFileSystem> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const path = join(directory.path, 'hung');
  await mkdir(path);
  // A process of its own: one that waits for itself could never end.
  const server = execa(process.execPath, [fixture('never-answers.ts'), path], {
    stdio: ['pipe', 'pipe', 'inherit'],
    buffer: false,
    detached: true,
  });
  stack.defer(async () => {
    server.stdin.end();
    await server;
  });
  const lines: string[] = [];
  createInterface(server.stdout).on('line', (line) => void lines.push(line));
  await eventually('the hung file system is mounted', () => {
    if (server.nodeChildProcess?.exitCode !== null) throw new Error('The hung file system cannot be mounted');
    return lines.length > 0;
  });
  // No host has an older table of mounts by now.
  await delay(MAX_TABLE_AGE_MS + 1);
  const own = stack.move();
  return {
    path,
    get requests() {
      return lines.length - 1;
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}
