import type { HandlerContext, ServiceImpl } from 'ttrpc-ts';
import type { SandboxContents } from '../../host/contract.ts';
import type { Host } from '../../host/host.ts';
import type { Sandbox as SandboxService } from '../../proto/containerd/sandbox_pb.ts';
import { namespaceOf } from '../namespace.ts';
import { podOf } from '../pod.ts';
import type { SandboxCalls, SandboxName } from '../sandbox-calls.ts';
import { readShares } from './bundle.ts';
import { readConfigPath } from './runtime-options.ts';

/** containerd's Sandbox service of a shim, over the host's sandboxes. */
export function createSandboxService(
  host: Host,
  calls: SandboxCalls,
): Partial<ServiceImpl<typeof SandboxService>> {
  return {
    async createSandbox({ sandboxId, bundlePath, options }, context) {
      const contents = (): Promise<SandboxContents> => readContents(host, { sandboxId, bundlePath });
      const identity = { ...nameOf(sandboxId, context), owner: 'shim', pod: podOf(options) } as const;
      await calls.create({ ...identity, contents }, context);
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
