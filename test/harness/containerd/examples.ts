import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { execa } from 'execa';

import { obtain } from '../../setup/obtain.ts';
import { PATIENT_DAEMON } from '../patience.ts';
import { containerdBinaries } from './containerd-binaries.ts';
import type { ContainerdOptions, CtrResult } from './containerd.ts';
import { startShimContainerd, type ShimContainerd } from './shim-containerd.ts';

/** The path of a file in examples/. */
export const exampleFile = (name: string): string => join(import.meta.dirname, '../../../examples', name);

/** Options of `startExampleContainerd()`. */
export interface ExampleOptions extends Pick<ContainerdOptions, 'version' | 'imports'> {
  /** The shim's configuration, in examples/. */
  readonly config: string;
  /** Replaces each key by its value in the configuration. @default nothing but the places */
  readonly replace?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Starts a containerd whose shim has the configuration of an example, with its places moved below `dir`. The examples
 * have read-only shares, which need the Rust virtiofsd.
 */
export async function startExampleContainerd(options: ExampleOptions): Promise<ShimContainerd> {
  const containerd = await startShimContainerd(options);
  const { dir, state, configFile } = containerd;
  await mkdir(join(dir, 'srv/models'), { recursive: true });
  const places = { '/run/containerd-shim-virtiofs': state, '/srv/': `${dir}/srv/`, ...options.replace };
  let text = await readFile(exampleFile(options.config), 'utf8');
  for (const [from, to] of Object.entries(places)) text = text.replaceAll(from, to);
  const table = '[plugins."io.containerd.fsshare.v1.virtiofs"]\n';
  text = text.replace(/^version = 1$/m, `$&\nscratch_dir = "${state}"`);
  if (!text.includes(table)) text += `\n${table}`;
  const daemon = `virtio_fs_daemon = "${await obtain('virtiofsd-rust')}"\n${PATIENT_DAEMON}\n`;
  await writeFile(configFile, text.replace(table, `${table}${daemon}`));
  return containerd;
}

/** Runs an example's script as a person does, with ctr on PATH and its directories below `dir`. */
export async function runSession(
  { dir, state, address, version }: ShimContainerd,
  name: string,
): Promise<CtrResult> {
  const PATH = `${await containerdBinaries(version)}:${process.env['PATH']}`;
  const result = await execa(exampleFile(name), [dir], {
    reject: false,
    stdin: 'ignore',
    env: { PATH, CONTAINERD_ADDRESS: address, STATE: state },
  });
  return { stdout: result.stdout, stderr: result.stderr, code: result.exitCode };
}
