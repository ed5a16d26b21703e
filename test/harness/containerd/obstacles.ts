import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { obtain } from '../../setup/obtain.ts';
import type { ShimContainerdOptions } from './shim-containerd.ts';

/** Something that keeps pods from being made. */
export interface Obstacle extends Pick<ShimContainerdOptions, 'virtiofs'> {
  /** Of the share in the configuration. */
  readonly lines: string;
  /** What is said of it. */
  readonly message: RegExp;
  remove(this: void): Promise<void>;
}

/** How each is raised, with its files in a directory. */
export const OBSTACLES: Readonly<Record<string, (directory: string) => Promise<Obstacle>>> = {
  'their share has no source': async (directory) => {
    const source = join(directory, 'data');
    return {
      lines: `source = "${source}"\n`,
      message: /Cannot start share "work": .*data"/,
      remove: () => mkdir(source),
    };
  },
  'their daemon dies': async (directory) => {
    const program = join(directory, 'virtiofsd');
    const { path } = await obtain('virtiofsd');
    // It still says which virtiofsd it is.
    const script = `#!/bin/sh
      case "$*" in *--version*) exec '${path}' "$@" ;; esac
      test -e '${directory}/mended' && exec '${path}' "$@"
      echo 'the disk is on fire' >&2
      exit 7\n`;
    await writeFile(program, script, { mode: 0o755 });
    return {
      lines: '',
      virtiofs: `virtio_fs_daemon = "${program}"`,
      message: /the disk is on fire/,
      remove: () => writeFile(join(directory, 'mended'), ''),
    };
  },
};
