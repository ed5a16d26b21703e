import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { execa } from 'execa';

import { obtain } from '../../setup/obtain.ts';
import type { Containerd } from './containerd.ts';

/** Runs crictl as a person does, and resolves to what it prints. Rejects where it fails, with its own words. */
export async function crictl(
  { dir, address }: Pick<Containerd, 'dir' | 'address'>,
  ...args: readonly string[]
): Promise<string> {
  const configFile = join(dir, 'crictl.yaml');
  const endpoint = JSON.stringify(`unix://${address}`);
  // YAML: the timeout is in seconds.
  const config = `runtime-endpoint: ${endpoint}\nimage-endpoint: ${endpoint}\ntimeout: 300\n`;
  await writeFile(configFile, config);
  const { stdout } = await execa(await obtain('crictl'), args, { env: { CRI_CONFIG_FILE: configFile } });
  return stdout;
}
