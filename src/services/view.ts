import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate, type Timestamp } from '@bufbuild/protobuf/wkt';
import type { Sandbox } from '../host/contract.ts';
import { packageVersion } from '../package.ts';
import type { SandboxStatusResponseSchema } from '../proto/containerd/sandbox_pb.ts';
import { podNameOf } from '../share/pod.ts';
import { GUIDES } from '../vmm/guide.ts';
import { DEFAULT_QEMU_BUS, VMMS, type VmmName } from '../vmm/vmms.ts';

/** The memory for which VMM arguments are told unless a size is named, in MiB. */
export const EXAMPLE_MEMORY_MIB = 512;

/** Read once: an update replaces the file under a host that runs. */
export const VERSION: string = packageVersion();

/** The first share's daemon stands for the sandbox; one without shares has none but the host. */
export const pidOf = (sandbox: Sandbox): number => sandbox.shares[0]?.pid ?? process.pid;

/** A sandbox's state as containerd sees it, of a shim and of a controller alike. */
export type SandboxView = Required<
  Pick<
    MessageInitShape<typeof SandboxStatusResponseSchema>,
    'sandboxId' | 'pid' | 'state' | 'info' | 'createdAt'
  >
> & { readonly exitedAt?: Timestamp };

/** What can be seen of a sandbox now; with `verbose` everything that an operator wants to know. */
export function statusOf(sandbox: Sandbox, { verbose }: { verbose: boolean }): SandboxView {
  const { sandboxId, createdAt, exit } = sandbox;
  return {
    sandboxId,
    pid: pidOf(sandbox),
    state: exit ? 'SANDBOX_NOTREADY' : 'SANDBOX_READY',
    info: verbose ? verboseInfo(sandbox) : {},
    createdAt: timestampFromDate(createdAt),
    ...(exit ? { exitedAt: timestampFromDate(exit.exitedAt) } : {}),
  };
}

/** Everything an operator wants of a sandbox: JSON texts, one for each share and two for each VMM. */
function verboseInfo(sandbox: Sandbox): Record<string, string> {
  const shares = sandbox.shares.map((share) => [`share.${share.tag}`, JSON.stringify(share.status())]);
  return {
    ...(Object.fromEntries(shares) as Record<string, string>),
    ...Object.fromEntries(VMMS.flatMap((vmm) => vmmInfo(sandbox, vmm))),
    ...(sandbox.pod ? { pod: JSON.stringify(podNameOf(sandbox.pod)) } : {}),
    owner: JSON.stringify({ name: sandbox.owner, ...sandbox.ownerData }),
    host: JSON.stringify({ pid: process.pid, version: VERSION, node: process.version }),
    ...(sandbox.exit ? { exit: JSON.stringify(sandbox.exit) } : {}),
  };
}

/** How a VMM gets all shares at its start, and each of them while it runs. */
function vmmInfo({ shares }: Sandbox, vmm: VmmName): [key: string, json: string][] {
  const guide = GUIDES[vmm];
  const steps = shares.map((share) => [
    share.tag,
    { add: guide.add(share, { bus: DEFAULT_QEMU_BUS }), remove: guide.remove(share) },
  ]);
  return [
    [`vmm.${vmm}`, JSON.stringify(guide.arguments(shares, { memoryMiB: EXAMPLE_MEMORY_MIB }))],
    [`vmm.${vmm}.hotplug`, JSON.stringify(Object.fromEntries(steps))],
  ];
}
