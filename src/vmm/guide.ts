import { Code, StatusError } from 'ttrpc-ts';
import { hint } from '../config/problems.ts';
import { addByChRemote, cloudHypervisorArguments, removeByChRemote } from './cloud-hypervisor.ts';
import { addByVirsh, libvirtElements, removeByVirsh } from './libvirt.ts';
import { qemuArguments } from './qemu.ts';
import { addByQmp, removeByQmp } from './qmp.ts';
import type { VmmShare } from './share.ts';
import type { VmmStep } from './step.ts';
import { VMMS, type VmmName } from './vmms.ts';

/** How a VMM gets shares. */
export interface VmmGuide {
  /** For its start, with all these shares: arguments, of libvirt elements of the domain's XML. */
  arguments(shares: readonly VmmShare[], options: { readonly memoryMiB: number }): string[];
  /** While it runs. */
  add(share: VmmShare, options: { readonly bus: string }): readonly VmmStep[];
  /** Once the guest has unmounted it. */
  remove(share: VmmShare): readonly VmmStep[];
}

/** How each VMM gets shares. */
export const GUIDES: Readonly<Record<VmmName, VmmGuide>> = {
  qemu: { arguments: qemuArguments, add: addByQmp, remove: removeByQmp },
  'cloud-hypervisor': { arguments: cloudHypervisorArguments, add: addByChRemote, remove: removeByChRemote },
  libvirt: { arguments: libvirtElements, add: addByVirsh, remove: removeByVirsh },
};

/** @throws StatusError InvalidArgument for a VMM that is not known here */
export function requireVmm(name: string): VmmName {
  const known = VMMS.find((vmm) => vmm === name);
  if (known) return known;
  throw new StatusError(Code.InvalidArgument, `Unknown VMM "${name}"${hint(name, VMMS)}`);
}
