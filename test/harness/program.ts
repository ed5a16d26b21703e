import { join } from 'node:path';

/** Where a release is installed that tests are to use in place of this checkout, such as `/usr`. */
const RELEASE = process.env['SHIM_VIRTIOFS_RELEASE'];

const root = join(import.meta.dirname, '../..');

/** What executes `shim-virtiofs`, before its arguments. */
export const SHIM_VIRTIOFS_COMMAND: readonly [string, ...string[]] =
  RELEASE === undefined
    ? [process.execPath, join(root, 'src/cli/main.ts')]
    : [join(RELEASE, 'bin/shim-virtiofs')];

/** The directory of `containerd-shim-virtiofs-v1`. */
export const SHIM_DIRECTORY: string = RELEASE === undefined ? join(root, 'plugin') : join(RELEASE, 'bin');
