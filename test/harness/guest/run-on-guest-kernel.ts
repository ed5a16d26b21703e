import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { obtain } from '../../setup/obtain.ts';
import { eventually } from '../eventually.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { runGuest } from './run-guest.ts';
import type { GuestExit } from './start-guest.ts';

const MEMORY_MIB = 1024;
/** Emulated on a machine that is busy, a test takes minutes. */
const TIMEOUT_MS = 1_200_000;

/** How {@link runOnGuestKernel} runs its command. */
export interface GuestKernelOptions {
  /** Kernel modules to load first, below the folder of the kernel's modules, in this order. */
  readonly modules: readonly string[];
}

/**
 * Runs a command of this machine, with its files, on the guest's kernel, for what this machine's kernel lacks: the guest
 * has this machine's root directory by virtio-fs, and /tmp and /run of its own; the working directory is there all the same.
 */
export async function runOnGuestKernel(
  command: string,
  { modules }: GuestKernelOptions,
): Promise<GuestExit & { readonly output: string }> {
  const [daemon, kernel] = await Promise.all([obtain('virtiofsd-rust'), obtain('kernel')]);
  await using directory = await temporaryDirectory();
  const socket = join(directory.path, 'sock');
  const args = [`--socket-path=${socket}`, '--shared-dir=/', '--sandbox=none', '--cache=auto'];
  const child = spawn(daemon, args, { stdio: 'ignore' });
  try {
    await eventually('virtiofsd listens', () => Promise.resolve(existsSync(socket)));
    const script = `
      set -e
      mount -t virtiofs root /mnt
      for module in ${modules.join(' ')}; do insmod "/mnt${kernel.modules}/$module"; done
      for name in dev proc sys; do mount --bind /$name /mnt/$name; done
      mkdir /checkout
      mount --bind "/mnt${process.cwd()}" /checkout
      for name in tmp run; do mount -t tmpfs $name /mnt/$name; done
      mkdir -p "/mnt${process.cwd()}"
      mount --bind /checkout "/mnt${process.cwd()}"
      PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb exec chroot /mnt /bin/sh -c '${command}'`;
    const memory = `memory-backend-memfd,id=mem,size=${MEMORY_MIB}M,share=on`;
    return await runGuest({
      script,
      memoryMiB: MEMORY_MIB,
      timeoutMs: TIMEOUT_MS,
      qemuArguments: [
        '-object',
        memory,
        '-numa',
        'node,memdev=mem',
        '-chardev',
        `socket,id=root,path=${socket}`,
        '-device',
        'vhost-user-fs-pci,chardev=root,tag=root',
      ],
    });
  } finally {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
}
