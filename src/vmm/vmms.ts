/** The VMMs that are known here. */
export const VMMS = ['qemu', 'cloud-hypervisor', 'libvirt'] as const;

/** One of {@link VMMS}. */
export type VmmName = (typeof VMMS)[number];

/** The bus that is meant where none is named: of `-device pcie-root-port,id=fs-port0,chassis=1,slot=1`. */
export const DEFAULT_QEMU_BUS = 'fs-port0';
