import { once } from 'node:events';
import { execa } from 'execa';
import { fixture } from './fixtures.ts';

/** Has a VMM of another network namespace connect, as that of a pod is; disposal ends it. Needs root. */
export async function connectFromOtherNetwork(path: string): Promise<AsyncDisposable> {
  const command = [process.execPath, fixture('connects-vhost-user.ts'), path];
  const vmm = execa('unshare', ['--net', ...command], { reject: false, buffer: false });
  await Promise.race([
    once(vmm.stdout, 'data'),
    vmm.then(() => {
      throw new Error('It has ended before it was connected');
    }),
  ]);
  return {
    async [Symbol.asyncDispose]() {
      vmm.stdin.end();
      await vmm;
    },
  };
}
