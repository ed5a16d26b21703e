import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { Status } from '../../../src/proto/containerd/task-process_pb.ts';
import { startContainerPlace } from '../../harness/containerd/container-place.ts';
import { removeContainer, type ContainerSettings } from '../../harness/containerd/containers.ts';
import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { CONTROLLER } from '../../harness/containerd/controller-containerd.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { Tasks } from '../../harness/containerd/proto/tasks_pb.ts';
import { createSandbox, removeSandbox } from '../../harness/containerd/sandboxes.ts';
import { specOf } from '../../harness/containerd/shim-containerd.ts';
import { eventually } from '../../harness/eventually.ts';
import { runGuest } from '../../harness/guest/run-guest.ts';

// Root file systems of containers that containerd leaves to the shim, mounted in a share. Needs root.

const sandboxers = ['shim', CONTROLLER];

for (const version of containerdVersions) {
  for (const sandboxer of sandboxers) {
    describe(`containers of containerd ${version}, sandboxer ${sandboxer}`, () => {
      test('have their root file systems in the share while their tasks are there', async () => {
        await using place = await startContainerPlace({ version, sandboxer });
        const { containerd, grpc, source, create } = place;
        await writeFile(join(source, 'file'), 'of the image\n');
        const pid = await create('plain', [{ type: 'virtiofs', source, options: ['ro'] }]);
        await create('upon', [
          { type: 'bind', source, options: ['rbind'] },
          { type: 'format/virtiofs', source: '{{ mount 0 }}' },
        ]);
        const [record] = await containerd.records();
        assert.equal(pid, record?.pid);
        const at = (name: string): string => join(record?.source ?? '', name);
        for (const name of ['rootfs-plain', 'rootfs-upon'])
          // oxlint-disable-next-line no-await-in-loop -- two
          assert.equal(await readFile(at(`${name}/file`), 'utf8'), 'of the image\n');
        await writeFile(at('rootfs-upon/new'), '');
        await assert.rejects(writeFile(at('rootfs-plain/new'), ''), { code: 'EROFS' });
        assert.deepEqual(await place.mountpoints(), ['/rootfs-plain', '/rootfs-upon']);
        const { process: task } = await grpc.unary(Tasks.method.get, { containerId: 'plain' });
        assert.deepEqual([task?.status, task?.pid], [Status.CREATED, pid]);
        await assert.rejects(grpc.unary(Tasks.method.start, { containerId: 'plain' }), {
          code: 9,
          details:
            'Container "plain" is not run here: its root file system is at "/rootfs-plain" of share "work", for the runtime that boots the VM',
        });

        await containerd.restart();
        using again = connectGrpc(containerd.address);
        await eventually('containerd has found its tasks', async () => {
          const { tasks } = await again.unary(Tasks.method.list, {});
          return tasks.length === 2 && tasks.every(({ status }) => status === Status.CREATED);
        });
        const waiting = again.unary(Tasks.method.wait, { containerId: 'plain' });
        await again.unary(Tasks.method.kill, { containerId: 'plain', signal: 9 });
        assert.equal((await waiting).exitStatus, 137);
        await removeContainer(again, 'plain');
        assert.equal(existsSync(at('rootfs-plain')), false);
        assert.deepEqual(await place.mountpoints(), ['/rootfs-upon']);
        // containerd has told the host to shut down "plain", and executed `delete`.
        const { state } = await again.unary(Controller.method.status, { sandboxId: 'sb', sandboxer });
        assert.equal(state, 'SANDBOX_READY');
        await removeContainer(again, 'upon');
        await removeSandbox(again, 'sb');
        assert.deepEqual(await place.left(), []);
      });

      test('go with their sandbox', async () => {
        await using place = await startContainerPlace({ version, sandboxer });
        const { grpc, source, create } = place;
        await create('web', [{ type: 'virtiofs', source }]);
        const waiting = grpc.unary(Tasks.method.wait, { containerId: 'web' });
        await grpc.unary(Tasks.method.get, { containerId: 'web' });
        await grpc.unary(Controller.method.stop, { sandboxId: 'sb', sandboxer });
        assert.equal((await waiting).exitStatus, 137);
        const { process: task } = await grpc.unary(Tasks.method.get, { containerId: 'web' });
        assert.equal(task?.status, Status.STOPPED);
        assert.equal((await grpc.unary(Tasks.method.delete, { containerId: 'web' })).exitStatus, 137);
        await removeSandbox(grpc, 'sb');
        assert.deepEqual(await place.left(), []);
      });

      test('that cannot be mounted leave nothing, and say why', async () => {
        await using place = await startContainerPlace({ version, sandboxer });
        const { grpc, source, create } = place;
        const served = { id: 'served', spec: specOf({ work: source }), sandboxer };
        await createSandbox(grpc, served);
        const refusals: Refusal[] = [
          {
            id: 'missing',
            rootfs: [{ type: 'virtiofs', source: `${source}/none` }],
            code: 5,
            why: /Cannot mount ".*none" in share "work"/,
          },
          {
            id: 'odd',
            rootfs: [{ type: 'virtiofs', source, options: ['rx'] }],
            code: 3,
            why: /rootfs\.0: unknown mount option "rx"/,
          },
          {
            id: 'none',
            rootfs: [{ type: 'bind', source, options: ['rbind'] }],
            code: 9,
            why: /shares directories with sandboxes and runs no containers/,
          },
          {
            id: 'full',
            sandbox: 'served',
            rootfs: [{ type: 'virtiofs', source }],
            code: 9,
            why: /Sandbox "served" has no share to mount into: open one without a source/,
          },
        ];
        for (const { id, rootfs, code, why, sandbox = 'sb' } of refusals) {
          // oxlint-disable-next-line no-await-in-loop -- one after the other
          await assert.rejects(
            create(id, rootfs, { sandbox }),
            (error: { code: number; details: string }) => {
              assert.match(error.details, why);
              return error.code === code;
            },
          );
        }
        assert.deepEqual((await grpc.unary(Tasks.method.list, {})).tasks, []);
        assert.deepEqual(await place.mountpoints(), []);
        await create('web', [{ type: 'virtiofs', source }]);
        await assert.rejects(place.createAgain('web', [{ type: 'virtiofs', source }]), { code: 6 });
        assert.deepEqual(await place.mountpoints(), ['/rootfs-web']);
      });
    });
  }

  test(`a container whose host is killed leaves nothing, as containerd ${version} gives it up`, async () => {
    await using place = await startContainerPlace({ version, sandboxer: CONTROLLER });
    const { containerd, grpc, source, create } = place;
    await writeFile(join(source, 'file'), 'of the image\n');
    await create('web', [{ type: 'virtiofs', source }]);
    const [record] = await containerd.records();
    await containerd.endHost('SIGKILL');
    await eventually('containerd has given the task up', async () => {
      const { tasks } = await grpc.unary(Tasks.method.list, {});
      return tasks.length === 0;
    });
    // Until the next host sees to it.
    assert.ok(existsSync(join(record?.source ?? '', 'rootfs-web/file')));
    await containerd.startHost();
    // Older ones execute no `delete` then: the mount goes with the sandbox.
    if (version === '2.3.7') assert.deepEqual(await place.mountpoints(), ['/rootfs-web']);
    else await eventually('it is unmounted', async () => (await place.mountpoints()).length === 0);
    await eventually('containerd has found the next host', async () => {
      const asked = grpc.unary(Controller.method.status, { sandboxId: 'sb', sandboxer: CONTROLLER });
      return asked.then(
        ({ state }) => state === 'SANDBOX_READY',
        ({ code }: { code: number }) => {
          assert.equal(code, 14);
          return false;
        },
      );
    });
    await removeSandbox(grpc, 'sb');
    assert.deepEqual(await place.left(), []);
  });
}

test('a guest sees the root file system of a container', async () => {
  await using place = await startContainerPlace({ version: '2.4.2', sandboxer: CONTROLLER });
  const { grpc, source, create } = place;
  await writeFile(join(source, 'file'), 'of the image\n');
  await create('web', [
    { type: 'bind', source, options: ['rbind', 'ro'] },
    { type: 'format/virtiofs', source: '{{ mount 0 }}', options: ['ro'] },
  ]);
  const request = { sandboxId: 'sb', sandboxer: CONTROLLER, verbose: true };
  const { info } = await grpc.unary(Controller.method.status, request);
  const guest = await runGuest({
    script: `
      set -e
      mount -t virtiofs work /mnt
      cat /mnt/rootfs-web/file
      if touch /mnt/rootfs-web/new 2>/dev/null; then echo 'not read-only'; fi
      umount /mnt`,
    qemuArguments: JSON.parse(info['vmm.qemu'] ?? '[]') as string[],
    memoryMiB: 512,
  });
  assert.deepEqual({ code: guest.code, output: guest.output }, { code: 0, output: 'of the image' });
  await removeContainer(grpc, 'web');
  await removeSandbox(grpc, 'sb');
  assert.deepEqual(await place.left(), []);
});

test('containerd 2.4.2 is told by the shim which mounts are left to it', async () => {
  await using place = await startContainerPlace({ version: '2.4.2', sandboxer: 'shim' });
  const file = 'state/io.containerd.sandbox.controller.v1.shim/default/sb/bootstrap.json';
  const { extensions } = JSON.parse(await readFile(join(place.containerd.dir, file), 'utf8')) as {
    extensions: { value: { type_url: string; value: string } }[];
  };
  assert.deepEqual(
    extensions.map(({ value }) => [value.type_url, Buffer.from(value.value, 'base64').toString()]),
    [['type.googleapis.com/containerd.types.MountCapabilities', '\n\bvirtiofs']],
  );
});

interface Refusal {
  readonly id: string;
  /** @default sb */
  readonly sandbox?: string;
  readonly rootfs: ContainerSettings['rootfs'];
  readonly code: number;
  readonly why: RegExp;
}
