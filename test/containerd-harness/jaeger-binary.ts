import { access } from 'node:fs/promises';

/** The executable of Jaeger. */
export async function jaegerBinary(): Promise<string> {
  const path = '/tmp/warm/jaeger/jaeger';
  await access(path);
  return path;
}
