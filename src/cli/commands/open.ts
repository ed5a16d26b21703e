import { resolve } from 'node:path';
import { OpenResponseSchema } from '../../proto/share/shares_pb.ts';
import { callHost } from '../call-host.ts';
import { describeOpened } from '../describe-share.ts';
import { ExitCode } from '../exit-code.ts';
import { jsonOf, jsonText } from '../json.ts';
import { print } from '../output.ts';
import { defineCommand } from './command.ts';
import { HOST_OPTIONS, JSON_OPTION, NAMESPACE_OPTION, parseVmm, VMM_OPTIONS } from './host-options.ts';
import { SHARE_OPTIONS, SOURCE } from './share-options.ts';

/** Opens a share on a host. */
export const open = defineCommand({
  description: `Opens a share, and makes its sandbox where there is none. Prints, once its daemon waits for the VMM, the socket,
the arguments that start a VMM with every share of the sandbox, and the steps that add this one to a VMM that runs and
remove it, when the guest has unmounted it. QEMU needs a free port for that, from its start on:
-device pcie-root-port,id=fs-port0,chassis=1,slot=1. The share stays until "shim-virtiofs close", or until its
daemon ends. Ctrl-C, while it waits, has the host give it up.
With --json it prints {"share": {...}, "qemuArguments": [...], "vmm": {...}}.`,
  positionals: {
    sandbox: { value: 'SANDBOX', purpose: "The sandbox's id" },
    tag: { value: 'TAG', purpose: 'The tag that the guest mounts it by' },
    source: SOURCE,
  },
  options: { ...HOST_OPTIONS, ...NAMESPACE_OPTION, ...SHARE_OPTIONS, ...VMM_OPTIONS, ...JSON_OPTION },
  exitStatus:
    '0 done, 1 failed, 2 wrong usage, name or configuration, 3 no host runs, 4 no such source, or no daemon',
  run: ({
    sandbox,
    tag,
    source,
    namespace = '',
    'read-only': readOnly = false,
    'shared-fs': sharedFs = '',
    cache = '',
    'memory-mib': memory,
    vmm,
    bus,
    json,
    ...host
  }) => {
    const request = {
      namespace,
      sandboxId: sandbox,
      tag,
      source: source === undefined ? '' : resolve(source),
      readOnly,
      sharedFs,
      cache,
      ...parseVmm({ 'memory-mib': memory, vmm, bus }),
    };
    return callHost(host, async (service) => {
      const response = await service.open(request);
      if (json) await print(jsonText(jsonOf(OpenResponseSchema, response), 'document'));
      else await print(describeOpened(response));
      return ExitCode.Done;
    });
  },
});
