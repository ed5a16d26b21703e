import { join } from 'node:path';
import { downloadDebianGo } from '../debian-go.ts';
import { cached } from '../cached.ts';
import { debianRelease } from '../debian.ts';
import { findProgram } from '../find-program.ts';
import type { Part, SetupContext } from '../part.ts';
import { runTool } from '../tool.ts';
import { isAtLeast } from '../version-order.ts';
import { versions } from '../versions.ts';

/** The path of a `go` that can fetch whatever toolchain a go.mod names: the machine's, or Debian's unpacked in the cache. */
export const go: Part<string> = {
  description: `Go ${versions.oldestGo} or newer, the machine's or Debian's`,
  async obtain(context) {
    const found = findProgram('go', ['/usr/local/go/bin']);
    if (found !== undefined && (await isNewEnough(found, context))) return found;
    const doing = 'Downloading Go from Debian';
    const make = (directory: string): Promise<void> => downloadDebianGo(directory, context);
    return join(await cached({ name: `go-${debianRelease()}`, doing, make }, context), 'root/bin/go');
  },
};

/** Environment for building with {@link go}, whatever the person's own settings are. */
export const goEnvironment: Readonly<Record<string, string>> = {
  GOTOOLCHAIN: 'auto',
  GOFLAGS: '',
  GOWORK: 'off',
  CGO_ENABLED: '0',
};

async function isNewEnough(path: string, context: SetupContext): Promise<boolean> {
  const output = await runTool(path, ['env', 'GOVERSION'], { ...context, env: { GOTOOLCHAIN: 'local' } });
  return isAtLeast(output.replace(/^go/, ''), versions.oldestGo);
}
