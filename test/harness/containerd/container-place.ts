import { readFile } from 'node:fs/promises';

import { execa } from 'execa';

import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { SHIM_VIRTIOFS_COMMAND } from '../program.ts';
import type { ContainerdVersion } from './containerd-binaries.ts';
import { createContainer, createTask, taskAddressOf, type ContainerSettings } from './containers.ts';
import { CONTROLLER, startControllerContainerd, type ControllerContainerd } from './controller-containerd.ts';
import { connectGrpc, type GrpcConnection } from './grpc.ts';
import { createSandbox } from './sandboxes.ts';

/** A containerd with a sandbox that containers join. Disposal ends it. */
export interface ContainerPlace extends AsyncDisposable {
  readonly containerd: ControllerContainerd;
  readonly grpc: GrpcConnection;
  /** A directory to be a root file system. */
  readonly source: string;
  create(
    this: void,
    id: string,
    rootfs: ContainerSettings['rootfs'],
    other?: Partial<ContainerSettings>,
  ): Promise<number>;
  /** Of a container that is recorded. */
  createAgain(id: string, rootfs: ContainerSettings['rootfs']): Promise<number>;
  /** As `shim-virtiofs mounts` shows them. */
  mountpoints(): Promise<string[]>;
  /** What is left of sandboxes, and mounts of containerd's and of the host's. */
  left(): Promise<string[]>;
}

/** Starts a containerd with a sandbox `sb`, whose share `work` has a directory of the host's own. */
export async function startContainerPlace({
  version,
  sandboxer,
}: {
  version: ContainerdVersion;
  sandboxer: string;
}): Promise<ContainerPlace> {
  await using stack = new AsyncDisposableStack();
  const containerd = stack.use(await startControllerContainerd({ version }));
  const grpc = stack.use(connectGrpc(containerd.address));
  const source = await containerd.source('root');
  const spec = { mounts: [{ destination: 'work', type: 'virtiofs' }] };
  await createSandbox(grpc, { id: 'sb', spec, sandboxer });
  await grpc.unary(Controller.method.start, { sandboxId: 'sb', sandboxer });
  const task = sandboxer === CONTROLLER ? { taskAddress: taskAddressOf(containerd) } : {};
  const settings = (id: string, rootfs: ContainerSettings['rootfs']): ContainerSettings => ({
    id,
    sandbox: 'sb',
    rootfs,
    ...task,
  });
  const own = stack.move();
  return {
    containerd,
    grpc,
    source,
    create: (id, rootfs, other) => createContainer(grpc, { ...settings(id, rootfs), ...other }),
    createAgain: (id, rootfs) => createTask(grpc, settings(id, rootfs)),
    mountpoints: async () => {
      const [program, ...first] = SHIM_VIRTIOFS_COMMAND;
      const { stdout } = await execa(program, [...first, 'mounts', '--state', containerd.state, '--json']);
      const { mounts } = JSON.parse(stdout) as { mounts: { mountpoint: string }[] };
      return mounts.map(({ mountpoint }) => mountpoint);
    },
    left: async () => {
      const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
      // That the host passes mounts on to daemons by.
      const isOwn = (line: string): boolean => line.includes(` ${containerd.state}/shared `);
      return [
        ...(await containerd.leftovers()),
        ...mounts.filter((line) => line.includes(containerd.dir) && !isOwn(line)),
      ];
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}
