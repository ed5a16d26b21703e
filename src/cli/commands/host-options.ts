import type { GetRequest } from '../../proto/share/shares_pb.ts';
import { DEFAULT_QEMU_BUS, VMMS } from '../../vmm/vmms.ts';
import { CONFIG_OPTIONS } from './config-options.ts';
import { UsageError, type Options } from './command.ts';

/** The options of commands that speak to a host. */
export const HOST_OPTIONS = {
  ...CONFIG_OPTIONS,
  address: {
    type: 'string',
    short: 'a',
    value: 'SOCKET',
    purpose: "The host's socket (default: the one that its state directory tells)",
  },
} as const satisfies Options;

/** Asks for JSON. */
export const JSON_OPTION = {
  json: { type: 'boolean', purpose: "Print JSON, with the names of the host's share service" },
} as const satisfies Options;

/** Chooses a namespace of sandboxes where one is needed. */
export const NAMESPACE_OPTION = {
  namespace: {
    type: 'string',
    short: 'n',
    value: 'NAME',
    purpose: "The sandbox's namespace (default: default)",
  },
} as const satisfies Options;

/** Narrows down what is shown. */
export const NAMESPACE_FILTER = {
  namespace: { type: 'string', short: 'n', value: 'NAME', purpose: 'Only this namespace (default: all)' },
} as const satisfies Options;

/** For which guest VMM arguments are made. */
const MEMORY_OPTION = {
  'memory-mib': {
    type: 'string',
    value: 'N',
    purpose: "The guest's memory in the VMM's arguments, in MiB (default: 512)",
  },
} as const satisfies Options;

/** For which VMM a share is described. */
export const VMM_OPTIONS = {
  ...MEMORY_OPTION,
  vmm: {
    type: 'string',
    value: 'NAME',
    purpose: `The VMM: ${VMMS.join(', ')} (default: qemu)`,
  },
  bus: {
    type: 'string',
    value: 'ID',
    purpose: `A free PCIe port of a QEMU that runs (default: ${DEFAULT_QEMU_BUS})`,
  },
} as const satisfies Options;

type VmmValues = { readonly [Name in keyof typeof VMM_OPTIONS]?: string | undefined };

/**
 * Reads the values of {@link VMM_OPTIONS}; where one is absent, the service has a default.
 *
 * @throws UsageError
 */
export function parseVmm({
  vmm = '',
  bus: qemuBus = '',
  'memory-mib': memory,
}: VmmValues): Pick<GetRequest, 'memoryMib' | 'vmm' | 'qemuBus'> {
  return { memoryMib: parseMemory(memory), vmm, qemuBus };
}

const MAX_UINT32 = 2 ** 32 - 1;

/**
 * Reads the value of {@link MEMORY_OPTION}; absent it is 0, for which the service has a default.
 *
 * @throws UsageError
 */
function parseMemory(text: string | undefined): number {
  if (text === undefined) return 0;
  const mib = Number(text);
  if (/^\d+$/.test(text) && mib > 0 && mib <= MAX_UINT32) return mib;
  throw new UsageError('--memory-mib takes a positive whole number');
}
