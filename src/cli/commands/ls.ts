import { ListResponseSchema, type Share } from '../../proto/share/shares_pb.ts';
import { callHost } from '../call-host.ts';
import { stateOf } from '../describe-share.ts';
import { ExitCode } from '../exit-code.ts';
import { jsonOf, jsonText } from '../json.ts';
import { columnsOf, print } from '../output.ts';
import { formatTable } from '../table.ts';
import { defineCommand } from './command.ts';
import { HOST_OPTIONS, JSON_OPTION, NAMESPACE_FILTER } from './host-options.ts';

const HEADING = ['NAMESPACE', 'SANDBOX', 'TAG', 'STATE', 'PID', 'OWNER', 'SHARED DIRECTORY'];

/** Lists the shares of a host. */
export const ls = defineCommand({
  description: `Lists the shares of a host in the order of namespace, sandbox and tag.
On a terminal the table fits its width; anywhere else nothing is cut.
With --json it prints {"shares": [...]}.`,
  options: { ...HOST_OPTIONS, ...NAMESPACE_FILTER, ...JSON_OPTION },
  exitStatus: '0 done, also where there are none, 1 failed, 2 wrong usage or configuration, 3 no host runs',
  run: ({ namespace = '', json, ...host }) =>
    callHost(host, async (service) => {
      const response = await service.list({ namespace });
      if (json) await print(jsonText(jsonOf(ListResponseSchema, response), 'document'));
      else if (response.shares.length > 0)
        await print(formatTable([HEADING, ...response.shares.map(rowOf)], columnsOf(process.stdout)));
      else process.stderr.write('No shares\n');
      return ExitCode.Done;
    }),
});

const rowOf = (share: Share): string[] => [
  share.namespace,
  share.sandboxId,
  share.tag,
  stateOf(share),
  `${share.pid}`,
  share.owner,
  share.sharedDir,
];
