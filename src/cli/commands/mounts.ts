import { ListMountsResponseSchema, type Mount } from '../../proto/share/shares_pb.ts';
import { callHost } from '../call-host.ts';
import { timeText } from '../describe-share.ts';
import { ExitCode } from '../exit-code.ts';
import { jsonOf, jsonText } from '../json.ts';
import { columnsOf, print } from '../output.ts';
import { formatTable } from '../table.ts';
import { defineCommand } from './command.ts';
import { HOST_OPTIONS, JSON_OPTION, NAMESPACE_FILTER } from './host-options.ts';

const HEADING = ['NAMESPACE', 'SANDBOX', 'TAG', 'MOUNTPOINT', 'KIND', 'OPTIONS', 'MOUNTED', 'SOURCE'];

/** Lists what is mounted in the shares of a host. */
export const mounts = defineCommand({
  description: `Lists what is mounted in the shares of a host, in the order of namespace, sandbox and tag. What a daemon lost
that another one has followed has its problem in a column more: mount it again, or unmount it.
On a terminal the table fits its width; anywhere else nothing is cut.
With --json it prints {"mounts": [...]}.`,
  positionals: {
    sandbox: { value: 'SANDBOX', purpose: "Only this sandbox's (default: all)", isOptional: true },
    tag: { value: 'TAG', purpose: 'Only in this share of it (default: all)', isOptional: true },
  },
  options: { ...HOST_OPTIONS, ...NAMESPACE_FILTER, ...JSON_OPTION },
  exitStatus: '0 done, also where there are none, 1 failed, 2 wrong usage or configuration, 3 no host runs',
  run: ({ sandbox = '', tag = '', namespace = '', json, ...host }) =>
    callHost(host, async (service) => {
      const response = await service.listMounts({ namespace, sandboxId: sandbox, tag });
      if (json) await print(jsonText(jsonOf(ListMountsResponseSchema, response), 'document'));
      else if (response.mounts.length > 0)
        await print(formatTable(tableOf(response.mounts), columnsOf(process.stdout)));
      else process.stderr.write('No mounts\n');
      return ExitCode.Done;
    }),
});

function tableOf(found: readonly Mount[]): string[][] {
  const rows = [HEADING, ...found.map(rowOf)];
  if (found.every(({ problem }) => problem === '')) return rows;
  const column = ['PROBLEM', ...found.map(({ problem }) => problem)];
  return rows.map((row, index) => [...row, column[index] ?? '']);
}

const rowOf = (mount: Mount): string[] => [
  mount.namespace,
  mount.sandboxId,
  mount.tag,
  mount.mountpoint,
  mount.kind,
  mount.options.join(','),
  timeText(mount.mountedAt),
  mount.source,
];
