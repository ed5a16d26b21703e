import { UnmountResponseSchema } from '../../proto/share/shares_pb.ts';
import { printable } from '../../text/printable.ts';
import { callHost } from '../call-host.ts';
import { ExitCode } from '../exit-code.ts';
import { jsonOf, jsonText } from '../json.ts';
import { print } from '../output.ts';
import { defineCommand } from './command.ts';
import { HOST_OPTIONS, JSON_OPTION, NAMESPACE_OPTION } from './host-options.ts';

/** Unmounts something in a share. */
export const unmount = defineCommand({
  description: `Unmounts what is mounted in a share, and says where the guest may hold it yet: it keeps what it has open, and names
that its cache mode keeps. The end of the share takes that away. What is not mounted is unmounted already, which is
success. With --json it prints {"guestMayHoldIt": BOOLEAN}.`,
  positionals: {
    sandbox: { value: 'SANDBOX', purpose: "The sandbox's id" },
    tag: { value: 'TAG', purpose: 'The share' },
    mountpoint: { value: 'MOUNTPOINT', purpose: 'Where it is mounted, from the root of the share: /data' },
  },
  options: { ...HOST_OPTIONS, ...NAMESPACE_OPTION, ...JSON_OPTION },
  exitStatus: '0 done, 1 failed, 2 wrong usage or name, 3 no host runs, 4 no such sandbox or share',
  run: ({ sandbox, tag, mountpoint, namespace = '', json, ...host }) =>
    callHost(host, async (service) => {
      const response = await service.unmount({ namespace, sandboxId: sandbox, tag, mountpoint });
      const held = response.guestMayHoldIt ? '; the guest may hold it until the share ends' : '';
      if (json) await print(jsonText(jsonOf(UnmountResponseSchema, response), 'document'));
      else await print(`Unmounted "${printable(mountpoint)}"${held}\n`);
      return ExitCode.Done;
    }),
});
