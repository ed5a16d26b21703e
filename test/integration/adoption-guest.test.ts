import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { qemuArguments } from '../../src/vmm/qemu.ts';
import { eventually } from '../harness/eventually.ts';
import { startWorkingGuest } from '../harness/guest/working-guest.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { startServe, type ServeProcess } from '../harness/serve-process.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';

// Needs root.

const MEMORY_MIB = 256;
const DEATHS = ['SIGKILL', 'SIGTERM', 'SIGKILL', 'SIGKILL'] as const;
const name = { sandboxId: 'vm', tag: 'work' };

for (const { name: virtiofsd, dialect, path: daemon, skip } of await realVirtiofsds()) {
  describe(`a guest on ${virtiofsd}`, { skip }, () => {
    test('works on while its host dies again and again, and has one share all the while', async () => {
      await using directory = await temporaryDirectory();
      const [source, state] = [join(directory.path, 'source'), join(directory.path, 'state')];
      await mkdir(source);
      await using hosts = new AsyncDisposableStack();
      const start = async (): Promise<ServeProcess> =>
        hosts.use(await startServe(directory.path, { daemon, dialect }));

      let host = await start();
      const { share } = await host.shares.open({ ...name, source });
      assert.ok(share);
      await using guest = await startWorkingGuest(name.tag, {
        memoryMiB: MEMORY_MIB,
        qemuArguments: qemuArguments([share], { memoryMiB: MEMORY_MIB }).slice(2), // the guest has its -m
      });
      for (const signal of DEATHS) {
        await host.end(signal);
        await guest.anotherRound();
        host = await start();
        const { share: adopted } = await host.shares.get(name);
        assert.deepEqual([adopted?.pid, adopted?.state, adopted?.adopted], [share.pid, 'connected', true]);
        assert.equal(adopted?.socketPath, share.socketPath);
        await guest.anotherRound();
      }
      await guest.finish(source);

      await eventually('the end is seen', async () => {
        const { share: left } = await host.shares.get(name);
        return left?.exit?.cause === 'disconnected';
      });
      assert.equal((await host.shares.close(name)).closed, 1);
      assert.equal(isGone(share.pid), true);
      assert.deepEqual(await leftovers(state), []);
    });
  });
}
