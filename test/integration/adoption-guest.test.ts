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
const ENDS = ['SIGKILL', 'SIGTERM', 'take-over', 'SIGKILL', 'take-over'] as const;
const name = { sandboxId: 'vm', tag: 'work' };

for (const { name: virtiofsd, dialect, path: daemon, skip } of await realVirtiofsds()) {
  describe(`a guest on ${virtiofsd}`, { skip }, () => {
    test('works on while its host dies or is followed again and again, and has one share all the while', async () => {
      await using directory = await temporaryDirectory();
      const [source, state] = [join(directory.path, 'source'), join(directory.path, 'state')];
      await mkdir(source);
      await using hosts = new AsyncDisposableStack();
      const start = async (...args: string[]): Promise<ServeProcess> =>
        hosts.use(await startServe(directory.path, { daemon, dialect, args }));
      const followHost = async (former: ServeProcess, end: (typeof ENDS)[number]): Promise<ServeProcess> => {
        if (end !== 'take-over') {
          await former.end(end);
          await guest.anotherRound();
          return start();
        }
        const next = await start('--take-over');
        assert.equal(await former.end('SIGCONT'), 0);
        return next;
      };

      let host = await start();
      const { share } = await host.shares.open({ ...name, source });
      assert.ok(share);
      await using guest = await startWorkingGuest(name.tag, {
        memoryMiB: MEMORY_MIB,
        qemuArguments: qemuArguments([share], { memoryMiB: MEMORY_MIB }).slice(2), // the guest has its -m
      });
      for (const end of ENDS) {
        host = await followHost(host, end);
        await guest.anotherRound();
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
