import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { execa } from 'execa';

import { obtain } from '../../setup/obtain.ts';
import type { Containerd } from './containerd.ts';

/** Runs crictl as a person does, and resolves to what it prints. Rejects where it fails, with its own words. */
export async function crictl(
  containerd: Pick<Containerd, 'dir' | 'address'>,
  ...args: readonly string[]
): Promise<string> {
  const env = { CRI_CONFIG_FILE: await writeCrictlConfig(containerd) };
  const { stdout } = await execa(await obtain('crictl'), args, { env });
  return stdout;
}

/** Writes the configuration with which crictl finds a containerd, and resolves to its path. */
export async function writeCrictlConfig({
  dir,
  address,
}: Pick<Containerd, 'dir' | 'address'>): Promise<string> {
  const configFile = join(dir, 'crictl.yaml');
  const endpoint = JSON.stringify(`unix://${address}`);
  // YAML: the timeout is in seconds.
  const config = `runtime-endpoint: ${endpoint}\nimage-endpoint: ${endpoint}\ntimeout: 300\n`;
  await writeFile(configFile, config);
  return configFile;
}
