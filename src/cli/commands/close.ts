import { CloseResponseSchema } from '../../proto/share/shares_pb.ts';
import { callHost } from '../call-host.ts';
import { ExitCode } from '../exit-code.ts';
import { jsonOf, jsonText } from '../json.ts';
import { print } from '../output.ts';
import { defineCommand } from './command.ts';
import { HOST_OPTIONS, JSON_OPTION, NAMESPACE_OPTION } from './host-options.ts';

/** Closes a share or a sandbox. */
export const close = defineCommand({
  description: `Closes a share, or with no TAG all shares of a sandbox, and returns when nothing of them is left. What is not
there is closed already, which is success. containerd's own sandboxes are containerd's to end.
With --json it prints {"closed": N}.`,
  positionals: {
    sandbox: { value: 'SANDBOX', purpose: "The sandbox's id" },
    tag: {
      value: 'TAG',
      purpose: 'One of its shares (default: all, and the sandbox with them)',
      isOptional: true,
    },
  },
  options: { ...HOST_OPTIONS, ...NAMESPACE_OPTION, ...JSON_OPTION },
  exitStatus:
    '0 done, also where there was nothing to close, 1 failed, 2 wrong usage, name or configuration, 3 no host runs',
  run: ({ sandbox, tag = '', namespace = '', json, ...host }) =>
    callHost(host, async (service) => {
      const response = await service.close({ namespace, sandboxId: sandbox, tag });
      if (json) await print(jsonText(jsonOf(CloseResponseSchema, response), 'document'));
      else await print(describe(response.closed));
      return ExitCode.Done;
    }),
});

function describe(closed: number): string {
  if (closed === 0) return 'Nothing to close\n';
  return closed === 1 ? 'Closed 1 share\n' : `Closed ${closed} shares\n`;
}
