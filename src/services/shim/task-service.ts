import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Code, StatusError, type HandlerContext, type ServiceImpl } from 'ttrpc-ts';
import { abortable } from '../../async/abortable.ts';
import type { Container, ContainerExit } from '../../host/contract.ts';
import type { Host } from '../../host/host.ts';
import { Status } from '../../proto/containerd/task-process_pb.ts';
import type { CreateTaskRequest, Task } from '../../proto/containerd/task_pb.ts';
import { closed } from '../closing.ts';
import { namespaceOf } from '../namespace.ts';
import { pidOf } from '../view.ts';
import { readSandboxId } from './bundle.ts';
import { parseRootfs } from './rootfs.ts';

/**
 * As much of containerd's Task service as containers whose root file systems are mounted in a share need, and a restart
 * of containerd: it asks a shim for each of its sandboxes and containers by `Connect` and `Pids`. No pids keeps a sandbox
 * that containerd knows, and lets it clean up one that it does not. Containers are not run here.
 */
export function createTaskService(
  host: Pick<Host, 'sandboxes' | 'containers'>,
): Partial<ServiceImpl<typeof Task>> {
  const { containers, sandboxes } = host;
  return {
    connect({ id }, context) {
      const namespace = namespaceOf(context.requestMetadata);
      const sandbox = containers.find(namespace, id)?.sandbox ?? sandboxes.get(namespace, id);
      return { shimPid: process.pid, taskPid: pidOf(sandbox), version: '3' };
    },
    pids({ id }, context) {
      const container = containers.find(namespaceOf(context.requestMetadata), id);
      return { processes: container ? [{ pid: pidOf(container.sandbox) }] : [] };
    },
    async create(request, context) {
      const { sandbox } = await createContainer(host, request, context);
      return { pid: pidOf(sandbox) };
    },
    start({ id }, { requestMetadata }) {
      const { tag, mountpoints } = containers.get(namespaceOf(requestMetadata), id);
      // Not Unimplemented, as below.
      throw new StatusError(
        Code.FailedPrecondition,
        `Container "${id}" is not run here: its root file system is at "${mountpoints.join('", "')}" of share "${tag}", for the runtime that boots the VM`,
      );
    },
    state: ({ id }, { requestMetadata }) => stateOf(containers.get(namespaceOf(requestMetadata), id)),
    async delete({ id }, { requestMetadata }) {
      const namespace = namespaceOf(requestMetadata);
      const pid = pidOf(containers.get(namespace, id).sandbox);
      return { pid, ...exitOf(await closed(containers.delete(namespace, id))) };
    },
    kill({ id, signal }, { requestMetadata }) {
      containers.kill(namespaceOf(requestMetadata), id, signal);
      return {};
    },
    async wait({ id }, { requestMetadata, signal }) {
      const { ended } = containers.get(namespaceOf(requestMetadata), id);
      return exitOf(await abortable(ended, signal));
    },
    // containerd sends it for each container that it deletes, and also for a sandbox that it no longer knows after a
    // restart. Others may live, so the host stays; it ends by itself when it is idle.
    async shutdown({ id }, context) {
      const namespace = namespaceOf(context.requestMetadata);
      const wasContainer = await closed(containers.forget(namespace, id));
      if (!wasContainer && !isOthers(host, namespace, id)) await closed(sandboxes.delete(namespace, id));
      return {};
    },
  };
}

async function createContainer(
  { containers }: Pick<Host, 'containers'>,
  { id, bundle, rootfs }: CreateTaskRequest,
  { requestMetadata, signal }: HandlerContext,
): Promise<Container> {
  const parts = parseRootfs(rootfs, id);
  const sandboxId = parts.length > 0 ? await readSandboxId(bundle) : undefined;
  if (sandboxId === undefined)
    // Not Unimplemented: containerd would try version 2 of this service, and show its answer instead.
    throw new StatusError(
      Code.FailedPrecondition,
      'This shim shares directories with sandboxes and runs no containers: use a runtime that boots a VM on the share',
    );
  const namespace = namespaceOf(requestMetadata);
  return containers.create({ namespace, sandboxId, containerId: id, bundle, rootfs: parts }, { signal });
}

function stateOf({ containerId, bundle, sandbox, exit }: Container) {
  const status = exit ? Status.STOPPED : Status.CREATED;
  return { id: containerId, bundle, pid: pidOf(sandbox), status, ...(exit ? exitOf(exit) : {}) };
}

const exitOf = ({ exitStatus, exitedAt }: ContainerExit) => ({
  exitStatus,
  exitedAt: timestampFromDate(exitedAt),
});

/** A sandbox of the controller may have the id of a container that containerd deletes. */
const isOthers = ({ sandboxes }: Pick<Host, 'sandboxes'>, namespace: string, id: string): boolean =>
  sandboxes
    .list()
    .some(
      (sandbox) => sandbox.namespace === namespace && sandbox.sandboxId === id && sandbox.owner !== 'shim',
    );
