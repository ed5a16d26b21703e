import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Architecture } from './packages.ts';

/** As npm's packages of Node.js call them. */
const NPM_NAMES: Readonly<Record<Architecture, string>> = { amd64: 'x64', arm64: 'arm64' };

/** Resolves to the Node.js binary of our own version for an architecture, from the npm registry where it is not this one. */
export async function nodeBinaryFor(
  architecture: Architecture,
  { target, signal }: { target: string; signal: AbortSignal },
): Promise<string> {
  const name = NPM_NAMES[architecture];
  if (name === process.arch) return process.execPath;
  const place = join(target, `node-${architecture}`);
  await mkdir(place, { recursive: true });
  const spec = `node-linux-${name}@${process.versions.node}`;
  const options = { cwd: place, cancelSignal: signal } as const;
  const { stdout } = await execa('npm', ['pack', '--json', spec], options);
  const [packed] = Object.values(JSON.parse(stdout) as Record<string, { filename: string }>);
  await execa('tar', ['-xzf', packed?.filename ?? ''], options);
  return join(place, 'package/bin/node');
}
