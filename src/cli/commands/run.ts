import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { OpenResponseSchema, type Exit } from '../../proto/share/shares_pb.ts';
import { describeExit, describeOpened } from '../describe-share.ts';
import { endBySignal, type EndBySignal } from '../end-by-signal.ts';
import { ExitCode } from '../exit-code.ts';
import { jsonOf, jsonText } from '../json.ts';
import { print } from '../output.ts';
import { sayProblem } from '../reject-usage.ts';
import { defineCommand, type Values } from './command.ts';
import { CONFIG_OPTIONS, DEFAULT_CONFIG } from './config-options.ts';
import { JSON_OPTION, parseVmm, VMM_OPTIONS } from './host-options.ts';
import { SHARE_OPTIONS, SOURCE } from './share-options.ts';

const OPTIONS = {
  config: CONFIG_OPTIONS.config,
  tag: {
    type: 'string',
    short: 't',
    value: 'TAG',
    purpose: 'The tag that the guest mounts it by (default: share)',
  },
  ...SHARE_OPTIONS,
  ...VMM_OPTIONS,
  verbose: { type: 'boolean', purpose: "Log to standard error, at the configuration's level" },
  ...JSON_OPTION,
} as const;

type RunValues = Values<typeof OPTIONS, { source: typeof SOURCE }>;

/** Opens one share in this process. */
export const run = defineCommand({
  description: `Opens a share, prints what its VMM needs, and stays until Ctrl-C, or until its daemon ends and none follows. A daemon
ends when its VMM leaves; with virtio_fs_on_exit = "respawn" in the configuration another one follows, for the next VMM.
Then the share is closed and nothing is left. It needs no host and uses none: it has one of its own, on a
temporary state directory, so no other command sees the share, and however this process ends, the share ends with it.
Of the configuration, state and ttrpc do not count; where none is named and there is none by default, the defaults hold.
With --json it prints {"share": {...}, "qemuArguments": [...], "vmm": {...}} when the share is open.`,
  positionals: { source: SOURCE },
  options: OPTIONS,
  exitStatus:
    '0 its VMM has left, 1 failed, or the daemon did, 2 wrong usage or configuration; at Ctrl-C or SIGTERM it ends by that signal (130, 143)',
  async run(values) {
    const vmm = parseVmm(values);
    const told = endBySignal();
    try {
      return await runShare(values, { vmm, told });
    } catch (error) {
      if (told.signal.aborted) return ExitCode.Done;
      throw error;
    } finally {
      // All is closed by now.
      told.end();
    }
  },
});

async function runShare(
  { config = existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : undefined, ...values }: RunValues,
  { vmm, told }: { vmm: ReturnType<typeof parseVmm>; told: EndBySignal },
): Promise<number> {
  const { openOwnHost, OWN_SANDBOX } = await import('../own-host.ts');
  await using host = await openOwnHost({ config, isVerbose: values.verbose === true });
  const {
    source,
    tag = 'share',
    cache = '',
    'read-only': readOnly = false,
    'shared-fs': sharedFs = '',
  } = values;
  const request = {
    sandboxId: OWN_SANDBOX,
    tag,
    source: source === undefined ? '' : resolve(source),
    readOnly,
    sharedFs,
    cache,
    ...vmm,
  };
  const response = await host.service.open(request, { signal: told.signal });
  if (values.json) await print(jsonText(jsonOf(OpenResponseSchema, response), 'document'));
  else await print(describeOpened(response));
  const exit = await host.untilExit(told.signal);
  return reportExit(tag, exit);
}

function reportExit(tag: string, exit: Exit): number {
  sayProblem(`Share "${tag}" has ended: ${describeExit(exit)}`);
  return exit.cause === 'disconnected' ? ExitCode.Done : ExitCode.Failed;
}
