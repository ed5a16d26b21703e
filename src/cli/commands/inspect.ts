import { ShareSchema, type Share } from '../../proto/share/shares_pb.ts';
import { callHost } from '../call-host.ts';
import { describeShare } from '../describe-share.ts';
import { ExitCode } from '../exit-code.ts';
import { jsonOf, jsonText } from '../json.ts';
import { print } from '../output.ts';
import { shellWords } from '../shell-words.ts';
import { CommandError, defineCommand, UsageError } from './command.ts';
import { HOST_OPTIONS, JSON_OPTION, MEMORY_OPTION, NAMESPACE_FILTER, parseMemory } from './host-options.ts';

/** Shows all that is known of a sandbox's shares. */
export const inspect = defineCommand({
  description: `Shows all that is known of a share, or with no TAG of all shares of a sandbox, and the arguments that give
QEMU the whole sandbox. With --json it prints {"shares": [...], "qemuArguments": [...]}; of what is unknown the member
is absent, as "exit" while the daemon runs.`,
  positionals: {
    sandbox: { value: 'SANDBOX', purpose: "The sandbox's id" },
    tag: { value: 'TAG', purpose: 'One of its shares (default: all)', isOptional: true },
  },
  options: { ...HOST_OPTIONS, ...NAMESPACE_FILTER, ...MEMORY_OPTION, ...JSON_OPTION },
  exitStatus: '0 done, 1 failed, 2 wrong usage or configuration, 3 no host runs, 4 no such sandbox or share',
  run: ({ sandbox, tag, namespace = '', json, 'memory-mib': memory, ...host }) => {
    const memoryMib = parseMemory(memory);
    return callHost(host, async (service) => {
      const { shares } = await service.list({ namespace, sandboxId: sandbox });
      const found = shares.filter((share) => tag === undefined || share.tag === tag);
      const first = requireOneSandbox(found, missing(sandbox, { tag, namespace }));
      const { qemuArguments } = await service.get({
        namespace: first.namespace,
        sandboxId: sandbox,
        tag: first.tag,
        memoryMib,
      });
      await print(json ? asJson(found, qemuArguments) : asText(found, qemuArguments));
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

const asJson = (shares: readonly Share[], qemuArguments: string[]): string =>
  jsonText({ shares: shares.map((share) => jsonOf(ShareSchema, share)), qemuArguments }, 'document');

const asText = (shares: readonly Share[], qemuArguments: readonly string[]): string =>
  `${shares.map(describeShare).join('\n')}\nqemu ${shellWords(qemuArguments)}\n`;
