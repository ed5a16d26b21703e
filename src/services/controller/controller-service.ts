import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import type { SandboxContents } from '../../host/contract.ts';
import type { Host } from '../../host/host.ts';
import type { Controller } from '../../proto/containerd/sandbox-controller_pb.ts';
import type { Sandbox as SandboxRecord } from '../../proto/containerd/sandbox-record_pb.ts';
import type { OwnerData } from '../../share/sandbox-record.ts';
import { configPathOf } from '../config-path.ts';
import { namespaceOfHeaders } from '../namespace.ts';
import { parseShares } from '../oci-spec.ts';
import { podOf } from '../pod.ts';
import type { SandboxCalls, SandboxName } from '../sandbox-calls.ts';
import { optionsOf } from './runtime-options.ts';
import { requireKnownFields } from './update.ts';

/** The version of containerd's Task service that is served at `taskAddress`. */
const TASK_VERSION = 3;

/**
 * containerd's sandbox controller, over the host's sandboxes. Containers of a sandbox reach the Task service at
 * `taskAddress`, a unix socket: without it containerd would start a shim for each of them.
 */
export function createControllerService(
  host: Pick<Host, 'profile' | 'profileOf' | 'log'>,
  { calls, taskAddress }: { calls: SandboxCalls; taskAddress: string },
): ServiceImpl<typeof Controller> {
  const task = { address: `ttrpc+unix://${taskAddress}`, version: TASK_VERSION };
  return {
    async create({ sandboxId, sandbox, options, netnsPath }, context) {
      const contents = (): Promise<SandboxContents> => readContents(host, sandbox);
      const identity = { ...nameOf(sandboxId, context), owner: 'controller', pod: podOf(options) } as const;
      const ownerData = ownerDataOf({ runtime: sandbox?.runtime?.name, networkNamespace: netnsPath });
      const { signal } = context;
      await calls.create({ ...identity, ownerData, contents }, { signal, deadline: deadlineOf(context) });
      return { sandboxId };
    },
    async start({ sandboxId }, context) {
      const name = nameOf(sandboxId, context);
      try {
        return { sandboxId, ...task, ...(await calls.start(name, context)) };
      } catch (error) {
        // containerd asks a shim for it, but no controller: it forgets a sandbox that cannot be started.
        await calls
          .shutdown(name)
          .catch((err: unknown) => host.log.error({ sandbox: sandboxId, err }, 'Cannot undo a failed start'));
        throw error;
      }
    },
    platform: () => ({ platform: calls.platform() }),
    async stop({ sandboxId }, context) {
      await calls.stop(nameOf(sandboxId, context));
      return {};
    },
    wait: ({ sandboxId }, context) => calls.wait(nameOf(sandboxId, context), context),
    status: ({ sandboxId, verbose }, context) => ({
      ...task,
      ...calls.status(nameOf(sandboxId, context), { verbose }),
    }),
    async shutdown({ sandboxId }, context) {
      await calls.shutdown(nameOf(sandboxId, context));
      return {};
    },
    metrics: ({ sandboxId }, context) => ({ metrics: calls.metrics(nameOf(sandboxId, context)) }),
    update({ sandboxId, fields }, context) {
      calls.require(nameOf(sandboxId, context));
      requireKnownFields(fields);
      return {};
    },
  };
}

const nameOf = (sandboxId: string, { requestHeader }: HandlerContext): SandboxName => ({
  namespace: namespaceOfHeaders(requestHeader),
  sandboxId,
});

/** Later than any call ends, and a time that can be written down. */
const MAX_DEADLINE_MS = 365 * 24 * 3600 * 1000;

function deadlineOf({ timeoutMs }: HandlerContext): Date | undefined {
  const left = timeoutMs();
  return left === undefined ? undefined : new Date(Date.now() + Math.min(left, MAX_DEADLINE_MS));
}

/** What is shown of a sandbox, also by the next host, and means nothing to this one. */
const ownerDataOf = (known: Record<string, string | undefined>): OwnerData =>
  Object.fromEntries(Object.entries(known).flatMap(([name, value]) => (value ? [[name, value]] : [])));

/** The shares of the sandbox's spec, or, as for CRI, which gives none, those of the configuration that holds for it. */
async function readContents(
  host: Pick<Host, 'profile' | 'profileOf'>,
  sandbox: SandboxRecord | undefined,
): Promise<SandboxContents> {
  const options = optionsOf(sandbox?.runtime?.options);
  const configFile = options && configPathOf(options);
  const profile = configFile === undefined ? host.profile : await host.profileOf(configFile);
  const spec = sandbox?.spec?.value;
  if (!spec || spec.length === 0) return { profile, shares: profile.shares };
  return { profile, shares: parseShares(Buffer.from(spec).toString(), 'of the sandbox') };
}
