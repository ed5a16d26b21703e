import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { startShimContainerd } from '../../harness/containerd/shim-containerd.ts';
import { runGuest } from '../../harness/guest/run-guest.ts';
import { qemuArguments } from '../../../src/vmm/qemu.ts';

// Two shares of a sandbox that ctr made, in a guest that is booted on what its verbose status says. Needs root.

for (const version of containerdVersions) {
  test(`a guest reads and writes the shares of a sandbox of ctr ${version}`, async () => {
    await using containerd = await startShimContainerd({ version });
    const sources = { work: await containerd.source('work'), tools: await containerd.source('tools') };
    await writeFile(join(sources.tools, 'tool'), 'a tool of the host\n');
    const { code, stderr } = await containerd.run('sb1', sources);
    assert.equal(code, 0, stderr);

    using grpc = connectGrpc(containerd.address);
    const request = { sandboxId: 'sb1', sandboxer: 'shim', verbose: true };
    const { info } = await grpc.unary(Controller.method.status, request);
    const shares = Object.entries(info)
      .filter(([key]) => key.startsWith('share.'))
      .map(([, text]) => JSON.parse(text) as { tag: string; socketPath: string; queueSize: number });
    assert.deepEqual(shares.map(({ tag }) => tag).toSorted(), ['tools', 'work']);

    const guest = await runGuest({
      script: `
        set -e
        mkdir /mnt/work /mnt/tools
        mount -t virtiofs work /mnt/work
        mount -t virtiofs tools /mnt/tools
        cat /mnt/tools/tool
        echo 'written by the guest' > /mnt/work/result
        umount /mnt/work /mnt/tools`,
      qemuArguments: qemuArguments(shares, { memoryMiB: 256 }),
    });
    assert.deepEqual({ code: guest.code, output: guest.output }, { code: 0, output: 'a tool of the host' });
    assert.equal(await readFile(join(sources.work, 'result'), 'utf8'), 'written by the guest\n');

    // Its VMM has left, so the sandbox is over, by its own will.
    const ended = await grpc.unary(Controller.method.wait, { sandboxId: 'sb1', sandboxer: 'shim' });
    assert.equal(ended.exitStatus, 0);
    assert.equal((await containerd.ctr(['sandboxes', 'rm', 'sb1'])).code, 0);
    assert.deepEqual(await containerd.leftovers(), []);
  });
}
