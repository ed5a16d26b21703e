import { createHash } from 'node:crypto';
import { glob, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadPackages } from '../apt.ts';
import { cached } from '../cached.ts';
import { cpioArchive, entryType, type CpioEntry } from '../cpio.ts';
import { debianRelease } from '../debian.ts';
import { readModules } from '../kernel-modules.ts';
import type { Part, SetupContext } from '../part.ts';
import { SetupError } from '../setup-error.ts';
import { runTool } from '../tool.ts';
import { kernel } from './kernel.ts';

const WANTED_MODULES = ['virtio_pci', 'virtiofs', 'overlay'];
const initScript = new URL('../../harness/guest/init.sh', import.meta.url);

/** The path of the guest's initial root file system: busybox, the modules it needs and test/harness/guest/init.sh. */
export const initrd: Part<string> = {
  description: "guest's initial root file system: Debian's static busybox and kernel modules",
  async obtain(context) {
    const init = await readFile(initScript);
    const recipe = createHash('sha256').update(init).update(WANTED_MODULES.join()).digest('hex').slice(0, 8);
    const { modules } = await kernel.obtain(context);
    const make = (directory: string): Promise<void> => build({ directory, init, modules, context });
    const doing = 'Assembling the guest from busybox and kernel modules';
    const directory = await cached({ name: `initrd-${debianRelease()}-${recipe}`, doing, make }, context);
    return join(directory, 'initrd');
  },
};

interface BuildOptions {
  readonly directory: string;
  readonly init: Buffer;
  readonly modules: string;
  readonly context: SetupContext;
}

async function build({ directory, init, modules, context }: BuildOptions): Promise<void> {
  const scratch = join(directory, 'scratch');
  await runTool('mkdir', [scratch], context);
  const busybox = await unpackBusybox(scratch, context);
  const loaded = await readModules({ directory: modules, wanted: WANTED_MODULES, busybox });
  const program = entryType.file | 0o755;
  const entries: CpioEntry[] = [
    ...['bin', 'dev', 'proc', 'sys', 'tmp', 'mnt', 'modules'].map(folder),
    { path: 'bin/busybox', mode: program, content: await readFile(busybox) },
    { path: 'init', mode: program, content: init },
    ...loaded.map(({ name, content }, index) => ({
      path: `modules/${String(index).padStart(2, '0')}-${name}.ko`,
      mode: entryType.file | 0o644,
      content,
    })),
  ];
  await writeFile(join(directory, 'initrd'), cpioArchive(entries));
  await rm(scratch, { recursive: true });
}

function folder(path: string): CpioEntry {
  return { path, mode: entryType.directory | 0o755 };
}

async function unpackBusybox(scratch: string, context: SetupContext): Promise<string> {
  await downloadPackages(['busybox-static'], scratch, context);
  for await (const file of glob(`${scratch}/*.deb`)) await runTool('dpkg', ['-x', file, scratch], context);
  for await (const busybox of glob(`${scratch}/{,usr/}bin/busybox`)) return busybox;
  throw new SetupError("Debian's package busybox-static has no bin/busybox");
}
