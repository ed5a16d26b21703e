import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import type { MountRequest, Share } from '../share/contract.ts';
import { withAttributes } from '../tracing/span.ts';
import type { StateDirectory } from '../share/state-directory.ts';
import type { Profile } from './profile.ts';
import type { SandboxShare } from './sandbox-share.ts';
import { createShareMounts, type ShareMounts } from './share-mounts.ts';

/** Creates the list of what the plugin of a share mounts in it. Its spans name the sandbox, the share and what is mounted. */
export function createSandboxMounts(options: {
  readonly stateDir: StateDirectory;
  readonly profile: Profile;
  readonly namespace: string;
  readonly sandboxId: string;
  readonly tag: string;
  readonly sharedFs: string;
  readonly log: Logger;
  readonly shareOf: () => SandboxShare;
}): ShareMounts {
  const { namespace, sandboxId, tag, sharedFs, stateDir, profile, log, shareOf } = options;
  const attributes = { 'sandbox.id': sandboxId, 'containerd.namespace': namespace, 'share.tag': tag };
  const own = (): [sharedFs: string, share: Share] => {
    const { plugins: share } = shareOf();
    if (share) return [sharedFs, share];
    throw new StatusError(Code.FailedPrecondition, `Share "${tag}" is still being opened: try again`);
  };
  const kindOf = ({ type }: MountRequest): string | undefined =>
    type ?? profile.plugins.mountKind(shareOf().sharedFs);
  return createShareMounts({
    tag,
    files: stateDir.share(namespace, sandboxId, tag),
    stateDir,
    log: log.child({ sandbox: sandboxId, share: tag }),
    restarts() {
      const { restarts = 0 } = shareOf().share?.status() ?? {};
      return restarts;
    },
    mount: (request, callOptions) =>
      withAttributes({ ...attributes, ...attributesOf({ kind: kindOf(request), ...request }) }, () =>
        profile.plugins.call('mount', ...own(), request, callOptions),
      ),
    unmount: (mountpoint, callOptions, mounted) =>
      withAttributes({ ...attributes, ...attributesOf({ ...mounted, mountpoint }) }, () =>
        profile.plugins.call('unmount', ...own(), mountpoint, callOptions),
      ),
    remount: profile.plugins.has('remount', sharedFs)
      ? (request, callOptions) =>
          withAttributes({ ...attributes, ...attributesOf(request) }, () =>
            profile.plugins.call('remount', ...own(), request, callOptions),
          )
      : undefined,
  });
}

const attributesOf = (mount: {
  readonly source?: string;
  readonly mountpoint: string;
  readonly kind?: string | undefined;
}): Record<string, string> => ({
  'mount.mountpoint': mount.mountpoint,
  ...(mount.source === undefined ? {} : { 'mount.source': mount.source }),
  ...(mount.kind === undefined ? {} : { 'mount.kind': mount.kind }),
});
