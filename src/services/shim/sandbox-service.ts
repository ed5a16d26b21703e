import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Code, StatusError, type HandlerContext, type ServiceImpl } from 'ttrpc-ts';
import { abortable } from '../../async/abortable.ts';
import type { Host } from '../../host/host.ts';
import type { Sandbox } from '../../host/contract.ts';
import type { SandboxContents } from '../../host/contract.ts';
import type { Sandbox as SandboxService } from '../../proto/containerd/sandbox_pb.ts';
import { closed } from '../closing.ts';
import { readShares } from './bundle.ts';
import { createMeter } from '../metrics.ts';
import { readConfigPath } from './runtime-options.ts';
import { namespaceOf } from '../namespace.ts';
import { pidOf, statusOf } from '../view.ts';

/** containerd's Sandbox service of a shim, over the host's sandboxes. */
export function createSandboxService(host: Host): Partial<ServiceImpl<typeof SandboxService>> {
  const find = (sandboxId: string, context: HandlerContext): Sandbox =>
    host.sandboxes.get(namespaceOf(context.requestMetadata), sandboxId);
  const readMetrics = createMeter();

  return {
    async createSandbox({ sandboxId, bundlePath }, context) {
      const namespace = namespaceOf(context.requestMetadata);
      const contents = (): Promise<SandboxContents> => readContents(host, { sandboxId, bundlePath });
      await host.sandboxes.create(
        { namespace, sandboxId, owner: 'shim', contents },
        { signal: context.signal },
      );
      return {};
    },

    async startSandbox({ sandboxId }, context) {
      const sandbox = find(sandboxId, context);
      await abortable(Promise.all(sandbox.shares.map(({ ready }) => ready)), context.signal);
      requireRunning(sandbox);
      return { pid: pidOf(sandbox), createdAt: timestampFromDate(sandbox.createdAt) };
    },

    platform: () => ({ platform: { os: 'linux', architecture: goArchitecture() } }),

    async stopSandbox({ sandboxId }, context) {
      await closed(find(sandboxId, context)[Symbol.asyncDispose]());
      return {};
    },

    async waitSandbox({ sandboxId }, context) {
      const { exitStatus, exitedAt } = await abortable(find(sandboxId, context).ended, context.signal);
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
