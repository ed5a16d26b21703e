import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Quit } from '../../src/host/contract.ts';
import type { ShareStatus } from '../../src/share/contract.ts';
import { qemuArguments } from '../../src/vmm/qemu.ts';
import { runGuest } from '../harness/guest/run-guest.ts';
import { startGuest } from '../harness/guest/start-guest.ts';
import { writeBundle } from '../harness/bundle.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { serveTestHost } from '../harness/test-host.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';

// The whole way, which needs root: ttrpc, host, plugin, a real virtiofsd, and a real guest in QEMU.

const MEMORY_MIB = 256;

for (const { name, dialect, path, skip } of await realVirtiofsds()) {
  describe(`a sandbox with ${name}`, { skip }, () => {
    const virtiofs = { virtio_fs_dialect: dialect };

    test('gives a guest two directories to read and write, and nothing of it is left afterwards', async () => {
      await using own = await serveTestHost({ daemon: path, virtiofs });
      const { client } = own;
      const sandboxId = 'sb';
      const source = join(own.path, 'with space');
      await mkdir(source);
      await writeFile(join(source, 'from-host'), 'written by the host\n');
      const bundlePath = await writeBundle(own.path, [
        { type: 'virtiofs', source, destination: 'work' },
        { type: 'virtiofs', destination: 'empty' },
      ]);
      await client.createSandbox({ sandboxId, bundlePath });
      const { pid } = await client.startSandbox({ sandboxId });
      const { info } = await client.sandboxStatus({ sandboxId, verbose: true });
      const shares = ['work', 'empty'].map((tag) => JSON.parse(info[`share.${tag}`] ?? '') as ShareStatus);
      const script = `
        set -e
        mkdir -p /mnt /empty
        mount -t virtiofs work /mnt
        mount -t virtiofs empty /empty
        cat /mnt/from-host
        ls -A /empty | wc -l
        echo 'written by the guest' > /mnt/from-guest
        dd if=/dev/zero of=/empty/large bs=1M count=8 2>/dev/null
        umount /mnt /empty`;
      const guest = await runGuest({
        script,
        memoryMiB: MEMORY_MIB,
        qemuArguments: qemuArguments(shares, { memoryMiB: MEMORY_MIB }),
      });
      assert.deepEqual([guest.code, guest.lines], [0, ['written by the host', '0']]);
      assert.equal(await readFile(join(source, 'from-guest'), 'utf8'), 'written by the guest\n');
      assert.equal((await readFile(join(shares[1]?.sharedDir ?? '', 'large'))).length, 8 << 20);
      // The VMM has left, and with it the sandbox ended.
      assert.equal((await client.waitSandbox({ sandboxId })).exitStatus, 0);
      await client.stopSandbox({ sandboxId });
      await client.shutdownSandbox({ sandboxId });
      assert.equal(isGone(pid), true);
      for (const { socketPath } of shares) assert.equal(existsSync(socketPath), false);
      assert.deepEqual(await leftovers(own.state), []);
      assert.equal(existsSync(join(source, 'from-guest')), true);
    });

    test('serves the share of the configuration, tells when the VMM leaves, once, and stops under a live guest', async () => {
      const quits: Quit[] = [];
      await using own = await serveTestHost({
        daemon: path,
        virtiofs,
        config: { shares: [{ tag: 'configured' }] },
        onQuit: (quit) => quits.push(quit),
      });
      const { client } = own;
      for (const sandboxId of ['leaves', 'is-stopped']) {
        await client.createSandbox({ sandboxId });
        await client.startSandbox({ sandboxId });
        const { shares } = own.host.sandboxes.get('default', sandboxId);
        await using guest = await startGuest({
          script: 'mount -t virtiofs configured /mnt && touch /mnt/here && echo mounted; read line',
          memoryMiB: MEMORY_MIB,
          qemuArguments: qemuArguments(shares, { memoryMiB: MEMORY_MIB }),
        });
        await guest.waitForLine('mounted');
        const [share] = shares;
        assert.equal(existsSync(join(share?.sharedDir ?? '', 'here')), true);
        assert.equal(share?.status().state, 'connected');
        if (sandboxId === 'leaves') await guest.stop();
        else await client.stopSandbox({ sandboxId });
        const { exitStatus } = await client.waitSandbox({ sandboxId });
        assert.equal(exitStatus, 0);
        await client.shutdownSandbox({ sandboxId });
        assert.equal(isGone(share?.pid ?? 0), true);
      }
      assert.deepEqual(
        quits.map(({ sandbox, exit }) => [sandbox.sandboxId, exit.cause, exit.exitCode]),
        [['leaves', 'disconnected', 0]],
      );
      assert.deepEqual(await leftovers(own.state), []);
    });
  });
}

describe('a read-only share', () => {
  test('can be read and not written by a guest', async () => {
    const rust = (await realVirtiofsds())[1];
    if (!rust || rust.skip) return;
    await using own = await serveTestHost({ daemon: rust.path });
    const { source } = own;
    await writeFile(join(source, 'from-host'), 'read\n');
    const request = { sandboxId: 'a', tag: 'ro', source, readOnly: true };
    await using share = await own.host.openShare(request);
    const { lines } = await runGuest({
      script: 'mount -t virtiofs ro /mnt; cat /mnt/from-host; echo x 2>/dev/null >/mnt/new || echo refused',
      memoryMiB: MEMORY_MIB,
      qemuArguments: qemuArguments([share], { memoryMiB: MEMORY_MIB }),
    });
    assert.equal(lines[0], 'read');
    assert.equal(lines.at(-1), 'refused');
    assert.equal(existsSync(join(source, 'new')), false);
  });
});
