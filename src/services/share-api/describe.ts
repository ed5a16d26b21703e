import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, StatusError } from 'ttrpc-ts';
import type { Host } from '../../host/host.ts';
import type { ShareSnapshot } from '../../host/share-snapshot.ts';
import type { ShareSchema, VmmSchema } from '../../proto/share/shares_pb.ts';
import { GUIDES, requireVmm } from '../../vmm/guide.ts';
import { DEFAULT_QEMU_BUS, type VmmName } from '../../vmm/vmms.ts';
import { EXAMPLE_MEMORY_MIB } from '../view.ts';
import { shareMessage } from './message.ts';

/** A share, and what its VMM needs. */
export interface Description {
  readonly share: MessageInitShape<typeof ShareSchema>;
  readonly qemuArguments: string[];
  readonly vmm: MessageInitShape<typeof VmmSchema>;
}

/** For which VMM a share is described. */
export interface Form {
  readonly vmm: VmmName;
  readonly memoryMiB: number;
  readonly bus: string;
}

/** Completes what a request says of its VMM. @throws StatusError InvalidArgument for a VMM that is not known */
export const requireForm = (request: { vmm: string; memoryMib: number; qemuBus: string }): Form => ({
  vmm: requireVmm(request.vmm || 'qemu'),
  memoryMiB: request.memoryMib || EXAMPLE_MEMORY_MIB,
  bus: request.qemuBus || DEFAULT_QEMU_BUS,
});

/** Describes one share of a sandbox. @throws StatusError NotFound */
export function describe(
  { sandboxes }: Pick<Host, 'sandboxes'>,
  { namespace, sandboxId, tag }: { namespace: string; sandboxId: string; tag: string },
  { vmm, memoryMiB, bus }: Form,
): Description {
  const snapshots = sandboxes.get(namespace, sandboxId).snapshots();
  const running = snapshots.filter(({ exit }) => !exit);
  const share = find(snapshots, { sandboxId, tag });
  const guide = GUIDES[vmm];
  return {
    share: shareMessage(share),
    qemuArguments: GUIDES.qemu.arguments(running, { memoryMiB }),
    vmm: {
      name: vmm,
      arguments: guide.arguments(running, { memoryMiB }),
      add: [...guide.add(share, { bus })],
      remove: [...guide.remove(share)],
    },
  };
}

function find(snapshots: readonly ShareSnapshot[], names: { sandboxId: string; tag: string }): ShareSnapshot {
  const found = snapshots.find(({ tag }) => tag === names.tag);
  if (found) return found;
  throw new StatusError(Code.NotFound, `Sandbox "${names.sandboxId}" has no share "${names.tag}"`);
}
