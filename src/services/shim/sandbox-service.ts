import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Code, StatusError, type HandlerContext, type ServiceImpl } from 'ttrpc-ts';
import { abortable } from '../../async/abortable.ts';
import type { Host } from '../../host/host.ts';
import type { Sandbox } from '../../host/contract.ts';
import type { SandboxContents } from '../../host/contract.ts';
import type { Sandbox as SandboxService } from '../../proto/containerd/sandbox_pb.ts';
import { PodSandboxConfigSchema } from '../../proto/cri/pod-sandbox-config_pb.ts';
import { closed } from '../closing.ts';
import type { ContainerdEvents } from '../events/publish-events.ts';
import { readShares } from './bundle.ts';
import { createMeter } from '../metrics.ts';
import { readConfigPath } from './runtime-options.ts';
import type { SandboxLogs } from './sandbox-logs.ts';
import { readTtrpcAddress } from './saved-start.ts';
import { namespaceOf } from '../namespace.ts';
import { pidOf, statusOf } from '../view.ts';

/** What tells containerd of a host's sandboxes. */
export interface SandboxReports {
  readonly events: ContainerdEvents;
  readonly logs: SandboxLogs;
}

/** containerd's Sandbox service of a shim, over the host's sandboxes. */
export function createSandboxService(
  host: Host,
  { events, logs }: SandboxReports,
): Partial<ServiceImpl<typeof SandboxService>> {
  const find = (sandboxId: string, context: HandlerContext): Sandbox =>
    host.sandboxes.get(namespaceOf(context.requestMetadata), sandboxId);
  const readMetrics = createMeter();

  return {
    async createSandbox({ sandboxId, bundlePath, options }, context) {
      const namespace = namespaceOf(context.requestMetadata);
      using undo = new DisposableStack();
      if (bundlePath) {
        undo.use(logs.open(sandboxId, bundlePath));
        void readTtrpcAddress(bundlePath).then((address) => address !== undefined && events.told(address));
      }
      const contents = (): Promise<SandboxContents> => readContents(host, { sandboxId, bundlePath });
      const sandbox = await host.sandboxes.create(
        { namespace, sandboxId, owner: 'shim', contents },
        { signal: context.signal },
      );
      logs.endWith(sandbox, undo.move());
      events.created(sandbox, {
        cri: options?.typeUrl.split('/').at(-1) === PodSandboxConfigSchema.typeName,
      });
      return {};
    },

    async startSandbox({ sandboxId }, context) {
      const sandbox = find(sandboxId, context);
      await abortable(Promise.all(sandbox.shares.map(({ ready }) => ready)), context.signal);
      requireRunning(sandbox);
      events.started(sandbox);
      return { pid: pidOf(sandbox), createdAt: timestampFromDate(sandbox.createdAt) };
    },

    platform: () => ({ platform: { os: 'linux', architecture: goArchitecture() } }),

    async stopSandbox({ sandboxId }, context) {
      await closed(find(sandboxId, context)[Symbol.asyncDispose]());
      return {};
    },

    async waitSandbox({ sandboxId }, context) {
      const sandbox = find(sandboxId, context);
      using _ = events.awaited(sandbox);
      const { exitStatus, exitedAt } = await abortable(sandbox.ended, context.signal);
      return { exitStatus, exitedAt: timestampFromDate(exitedAt) };
    },

    sandboxStatus({ sandboxId, verbose }, context) {
      return statusOf(find(sandboxId, context), { verbose });
    },

    pingSandbox({ sandboxId }, context) {
      find(sandboxId, context);
      return {};
    },

    sandboxMetrics: ({ sandboxId }, context) => ({ metrics: readMetrics(find(sandboxId, context)) }),

    async shutdownSandbox({ sandboxId }, context) {
      await closed(host.sandboxes.delete(namespaceOf(context.requestMetadata), sandboxId));
      return {};
    },
  };
}

/** The shares of the bundle's spec, or those of the configuration that the sandbox was given, or of the host's. */
async function readContents(
  host: Host,
  { sandboxId, bundlePath }: { sandboxId: string; bundlePath: string },
): Promise<SandboxContents> {
  if (!bundlePath) return { shares: host.profile.shares };
  const configFile = await readConfigPath(bundlePath, sandboxId);
  const profile = configFile === undefined ? host.profile : await host.profileOf(configFile);
  return { profile, shares: (await readShares(bundlePath)) ?? profile.shares };
}

/** A daemon that was ready and has ended since is none to start a VM on. */
function requireRunning(sandbox: Sandbox): void {
  const { sandboxId, exit } = sandbox;
  if (!exit) return requireShares(sandbox);
  const { failed, cause } = exit;
  const end = cause === 'disconnected' ? 'its VMM has left' : 'it was stopped';
  const why = failed ? `share "${failed.tag}": ${failed.exit.message}` : end;
  throw new StatusError(Code.FailedPrecondition, `Sandbox "${sandboxId}" has ended: ${why}`);
}

/** Where the end of a daemon does not end its sandbox. */
function requireShares(sandbox: Sandbox): void {
  const ended = sandbox.snapshots().find(({ exit }) => exit);
  if (!ended) return;
  const message = `Share "${ended.tag}" of sandbox "${sandbox.sandboxId}" has ended: ${ended.exit?.message}`;
  throw new StatusError(Code.FailedPrecondition, message);
}

const goArchitecture = (): string => ({ x64: 'amd64', ia32: '386' })[process.arch as string] ?? process.arch;
