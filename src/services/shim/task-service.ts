import { Code, StatusError, type ServiceImpl } from 'ttrpc-ts';
import type { Host } from '../../host/host.ts';
import type { Task } from '../../proto/containerd/task_pb.ts';
import { closed } from '../closing.ts';
import { namespaceOf } from '../namespace.ts';

/**
 * As much of containerd's Task service as a restart of containerd needs: it asks a shim for each of its sandboxes by
 * `Connect` and `Pids`. No pids keeps a sandbox that containerd knows, and lets it clean up one that it does not.
 * Containers are not run here.
 */
export function createTaskService(host: Host): Partial<ServiceImpl<typeof Task>> {
  return {
    connect({ id }, context) {
      const sandbox = host.sandboxes.get(namespaceOf(context.requestMetadata), id);
      return { shimPid: process.pid, taskPid: sandbox.shares[0]?.pid ?? process.pid, version: '3' };
    },
    pids: () => ({ processes: [] }),
    create: () => {
      // Not Unimplemented: containerd would try version 2 of this service, and show its answer instead.
      throw new StatusError(
        Code.FailedPrecondition,
        'This shim shares directories with sandboxes and runs no containers: use a runtime that boots a VM on the share',
      );
    },
    state: ({ id }) => noContainer(id),
    delete: ({ id }) => noContainer(id),
    kill: ({ id }) => noContainer(id),
    wait: ({ id }) => noContainer(id),
    // containerd sends it for each container that it deletes, and also for a sandbox that it no longer knows after a
    // restart. Others may live, so the host stays; it ends by itself when it is idle.
    async shutdown({ id }, context) {
      await closed(host.sandboxes.delete(namespaceOf(context.requestMetadata), id));
      return {};
    },
  };
}

function noContainer(id: string): never {
  throw new StatusError(
    Code.NotFound,
    `No container "${id}": this shim shares directories and runs no containers`,
  );
}
