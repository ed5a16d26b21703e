import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { serveFakeEvents } from '../../harness/containerd/fake-events.ts';
import { eventually } from '../../harness/eventually.ts';
import { startServe } from '../../harness/serve-process.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { connectVhostUser } from '../../harness/vhost-user.ts';
import { realVirtiofsds } from '../../harness/virtiofsds.ts';

// Hosts are processes of their own, and are killed. Real virtiofsds need root.

for (const { name: virtiofsd, dialect, path: daemon, skip } of await realVirtiofsds()) {
  describe(`publishEvents() of a host that follows one that was killed, with ${virtiofsd}`, { skip }, () => {
    test('tells what ended while no host was there, and nothing that was told', async () => {
      await using directory = await temporaryDirectory();
      const address = join(directory.path, 'c.sock');
      await using containerd = await serveFakeEvents(address);
      const eventsOf = (sandboxId: string): string[] =>
        containerd.taken
          .filter(({ message }) => message['sandbox_id'] === sandboxId)
          .map(({ topic }) => topic);
      const until = (topic: string, sandboxId: string): Promise<void> =>
        eventually(`${topic} of ${sandboxId}`, () => eventsOf(sandboxId).includes(topic));
      const options = { daemon, dialect, top: `[containerd]\nttrpc_address = "${address}"` };

      const pids = new Map<string, number>();
      const kill = (sandboxId: string): unknown => process.kill(pids.get(sandboxId) ?? 0, 'SIGKILL');
      {
        await using former = await startServe(directory.path, options);
        for (const sandboxId of ['lives', 'ended', 'left', 'ends']) {
          // oxlint-disable no-await-in-loop -- four
          const { share } = await former.shares.open({ sandboxId, tag: 'work' });
          pids.set(sandboxId, share?.pid ?? 0);
          await until('/shares/ready', sandboxId);
          if (sandboxId === 'left') (await connectVhostUser(share?.socketPath ?? ''))[Symbol.dispose]();
          // oxlint-enable no-await-in-loop
        }
        kill('ended');
        await until('/sandboxes/exit', 'ended');
        await until('/sandboxes/exit', 'left');
        await former.end('SIGKILL');
      }
      kill('ends');
      await using host = await startServe(directory.path, options);
      await until('/sandboxes/exit', 'ends');
      const opened = ['/sandboxes/create', '/shares/open', '/shares/ready'];
      for (const sandboxId of pids.keys()) {
        // oxlint-disable-next-line no-await-in-loop -- four
        await host.shares.close({ sandboxId, tag: 'work' });
        // oxlint-disable-next-line no-await-in-loop
        await until('/shares/close', sandboxId);
      }
      await until('/sandboxes/exit', 'lives');
      assert.deepEqual(eventsOf('lives'), [...opened, '/shares/exit', '/shares/close', '/sandboxes/exit']);
      for (const sandboxId of ['ended', 'left', 'ends'])
        assert.deepEqual(
          eventsOf(sandboxId).filter((topic) => topic !== '/shares/connect'),
          [...opened, '/shares/exit', '/sandboxes/exit', '/shares/close'],
          sandboxId,
        );
      await host.end('SIGTERM');
    });
  });
}
