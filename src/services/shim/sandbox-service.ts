import type { HandlerContext, ServiceImpl } from 'ttrpc-ts';
import type { SandboxContents } from '../../host/contract.ts';
import type { Host } from '../../host/host.ts';
import type { Sandbox as SandboxService } from '../../proto/containerd/sandbox_pb.ts';
import { namespaceOf } from '../namespace.ts';
import type { ContainerdEvents } from '../events/publish-events.ts';
import { podOf } from '../pod.ts';
import type { SandboxCalls, SandboxName } from '../sandbox-calls.ts';
import { readShares } from './bundle.ts';
import { readConfigPath } from './runtime-options.ts';
import type { SandboxLogs } from './sandbox-logs.ts';
import { readTtrpcAddress } from './saved-start.ts';

/** What the service is made of. */
export interface ShimParts {
  readonly calls: SandboxCalls;
  /** It hears from a bundle where containerd takes events. */
  readonly events: Pick<ContainerdEvents, 'told'>;
  readonly logs: SandboxLogs;
}

/** containerd's Sandbox service of a shim, over the host's sandboxes. */
export function createSandboxService(
  host: Host,
  { calls, events, logs }: ShimParts,
): Partial<ServiceImpl<typeof SandboxService>> {
  return {
    async createSandbox({ sandboxId, bundlePath, options }, context) {
      using undo = new DisposableStack();
      if (bundlePath) {
        undo.use(logs.open(sandboxId, bundlePath));
        void readTtrpcAddress(bundlePath).then((address) => address !== undefined && events.told(address));
      }
      const contents = (): Promise<SandboxContents> => readContents(host, { sandboxId, bundlePath });
      const identity = { ...nameOf(sandboxId, context), owner: 'shim', pod: podOf(options) } as const;
      logs.endWith(await calls.create({ ...identity, contents }, context), undo.move());
      return {};
    },
    startSandbox: ({ sandboxId }, context) => calls.start(nameOf(sandboxId, context), context),
    platform: () => ({ platform: calls.platform() }),
    async stopSandbox({ sandboxId }, context) {
      await calls.stop(nameOf(sandboxId, context));
      return {};
    },
    waitSandbox: ({ sandboxId }, context) => calls.wait(nameOf(sandboxId, context), context),
    sandboxStatus: ({ sandboxId, verbose }, context) => calls.status(nameOf(sandboxId, context), { verbose }),
    pingSandbox({ sandboxId }, context) {
      calls.require(nameOf(sandboxId, context));
      return {};
    },
    sandboxMetrics: ({ sandboxId }, context) => ({ metrics: calls.metrics(nameOf(sandboxId, context)) }),
    async shutdownSandbox({ sandboxId }, context) {
      await calls.shutdown(nameOf(sandboxId, context));
      return {};
    },
  };
}

const nameOf = (sandboxId: string, { requestMetadata }: HandlerContext): SandboxName => ({
  namespace: namespaceOf(requestMetadata),
  sandboxId,
});

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
