import type { MessageInitShape } from '@bufbuild/protobuf';
import type { MountSchema } from '../../../src/proto/containerd/mount_pb.ts';
import type { ControllerContainerd } from './controller-containerd.ts';
import type { GrpcCallOptions, GrpcConnection } from './grpc.ts';
import { Containers } from './proto/containers_pb.ts';
import { Tasks } from './proto/tasks_pb.ts';

/** What a test wants to say about a container. */
export interface ContainerSettings {
  readonly id: string;
  /** The id of its sandbox. */
  readonly sandbox: string;
  readonly rootfs: readonly MessageInitShape<typeof MountSchema>[];
  /** Of the sandbox's Task service, where a controller has the sandbox. @default that of its shim */
  readonly taskAddress?: string;
}

/** Records a container in containerd's store, and creates its task; resolves to the task's pid. */
export async function createContainer(
  grpc: GrpcConnection,
  settings: ContainerSettings,
  options: GrpcCallOptions = {},
): Promise<number> {
  const { id, sandbox } = settings;
  const spec = {
    typeUrl: 'types.containerd.io/opencontainers/runtime-spec/1/Spec',
    value: Buffer.from(JSON.stringify({ ociVersion: '1.2.0', process: { args: ['sh'] } })),
  };
  const runtime = { name: 'io.containerd.virtiofs.v1' };
  await grpc.unary(Containers.method.create, { container: { id, sandbox, runtime, spec } }, options);
  return createTask(grpc, settings, options);
}

/** The second half of {@link createContainer}. */
export async function createTask(
  grpc: GrpcConnection,
  { id, rootfs, taskAddress }: ContainerSettings,
  options: GrpcCallOptions = {},
): Promise<number> {
  const task = taskAddress === undefined ? {} : { taskApiAddress: taskAddress, taskApiVersion: 3 };
  const request = { containerId: id, rootfs: [...rootfs], ...task };
  return (await grpc.unary(Tasks.method.create, request, options)).pid;
}

/** Kills the task of a container, deletes it, and forgets the container. */
export async function removeContainer(grpc: GrpcConnection, id: string): Promise<void> {
  await grpc.unary(Tasks.method.kill, { containerId: id, signal: 9 });
  await grpc.unary(Tasks.method.wait, { containerId: id });
  await grpc.unary(Tasks.method.delete, { containerId: id });
  await grpc.unary(Containers.method.delete, { id });
}

/** Where the Task service of our controller's sandboxes is, as its Status says. */
export const taskAddressOf = ({ state }: Pick<ControllerContainerd, 'state'>): string =>
  `ttrpc+unix://${state}/host.sock`;
