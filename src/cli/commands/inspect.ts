import { ShareSchema, VmmSchema, type GetResponse, type Share } from '../../proto/share/shares_pb.ts';
import { callHost } from '../call-host.ts';
import { describeShare, describeStart, describeSteps } from '../describe-share.ts';
import { ExitCode } from '../exit-code.ts';
import { jsonOf, jsonText } from '../json.ts';
import { print } from '../output.ts';
import { CommandError, defineCommand, UsageError } from './command.ts';
import { HOST_OPTIONS, JSON_OPTION, NAMESPACE_FILTER, parseVmm, VMM_OPTIONS } from './host-options.ts';

/** Shows all that is known of a sandbox's shares. */
export const inspect = defineCommand({
  description: `Shows all that is known of a share, or with no TAG of all shares of a sandbox, and the arguments that
start a VMM with the whole sandbox; of a single share also the steps that add it to a VMM that runs, and remove it.
With --json it prints {"shares": [...], "qemuArguments": [...], "vmm": {...}}; of what is unknown the member is absent,
as "exit" while the daemon runs.`,
  positionals: {
    sandbox: { value: 'SANDBOX', purpose: "The sandbox's id" },
    tag: { value: 'TAG', purpose: 'One of its shares (default: all)', isOptional: true },
  },
  options: { ...HOST_OPTIONS, ...NAMESPACE_FILTER, ...VMM_OPTIONS, ...JSON_OPTION },
  exitStatus: '0 done, 1 failed, 2 wrong usage or configuration, 3 no host runs, 4 no such sandbox or share',
  run: ({ sandbox, tag, namespace = '', json, 'memory-mib': memory, vmm, bus, ...host }) => {
    const form = parseVmm({ 'memory-mib': memory, vmm, bus });
    return callHost(host, async (service) => {
      const { shares } = await service.list({ namespace, sandboxId: sandbox });
      const found = shares.filter((share) => tag === undefined || share.tag === tag);
      const first = requireOneSandbox(found, missing(sandbox, { tag, namespace }));
      const answer = await service.get({
        namespace: first.namespace,
        sandboxId: sandbox,
        tag: first.tag,
        ...form,
      });
      const known = { ...answer, isOne: tag !== undefined };
      await print(json ? asJson(found, known) : asText(found, known));
      return ExitCode.Done;
    });
  },
});

function requireOneSandbox(shares: readonly Share[], message: string): Share {
  const [first] = shares;
  if (!first) throw new CommandError(ExitCode.NotFound, message);
  const namespaces = [...new Set(shares.map(({ namespace }) => namespace))];
  if (namespaces.length === 1) return first;
  throw new UsageError(`It is in several namespaces (${namespaces.join(', ')}): add --namespace`);
}

function missing(
  sandbox: string,
  { tag, namespace }: { tag: string | undefined; namespace: string },
): string {
  const place = namespace === '' ? '' : ` in namespace "${namespace}"`;
  return tag === undefined
    ? `No sandbox "${sandbox}" with shares${place}`
    : `No share "${tag}" of a sandbox "${sandbox}"${place}`;
}

/** What the VMM needs of them; steps where it is one. */
type Known = Pick<GetResponse, 'qemuArguments' | 'vmm'> & { readonly isOne: boolean };

const asJson = (found: readonly Share[], { qemuArguments, vmm, isOne }: Known): string => {
  const shares = found.map((share) => jsonOf(ShareSchema, share));
  const shown = vmm && (isOne ? vmm : { ...vmm, add: [], remove: [] });
  return jsonText({ shares, qemuArguments, ...(shown ? { vmm: jsonOf(VmmSchema, shown) } : {}) }, 'document');
};

const asText = (shares: readonly Share[], { vmm, isOne }: Known): string =>
  `${shares.map(describeShare).join('\n')}\n${vmm ? `${describeStart(vmm)}${isOne ? describeSteps(vmm) : ''}` : ''}`;
