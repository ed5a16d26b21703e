import {
  adoptShare,
  mountBind,
  openShare,
  settleBinds,
  unmountBind,
  type CreateProvider,
} from 'containerd-shim-virtiofs/plugin';
import { checkSettings } from './check-settings.ts';
import { CACHE_MODES, type VirtiofsConfig } from './config.ts';
import { describeVirtiofsd } from './virtiofsd.ts';

/** The provider of `virtio-fs` shares: one virtiofsd each. */
export const createProvider: CreateProvider<VirtiofsConfig> = (context) => {
  const { queueSize, onExit, mountTimeoutMs: timeoutMs, ...settings } = context.config;
  return {
    cacheModes: CACHE_MODES,
    mountKind: 'bind',
    check: (shares, options) => checkSettings(context.config, shares, options),
    openShare(request, { signal }) {
      const { readOnly, cache = settings.cache } = request;
      // On record, for the next host may have another setting.
      return openShare(
        context,
        { ...request, cache },
        {
          queueSize,
          onExit,
          signal,
          sourceTimeoutMs: settings.startTimeoutMs,
          daemon: ({ sharedDir }) =>
            describeVirtiofsd({ ...settings, cache, sourcePath: sharedDir, readOnly }),
        },
      );
    },
    async adoptShare(record) {
      if (record.ownsSource) await settleBinds(context, record);
      const { readOnly, cache = settings.cache } = record;
      return adoptShare(context, record, {
        daemon: ({ sharedDir }) => describeVirtiofsd({ ...settings, cache, sourcePath: sharedDir, readOnly }),
      });
    },
    mount: (share, request, options) => mountBind(context, share, request, { ...options, timeoutMs }),
    unmount: (share, mountpoint, options) => unmountBind(share, mountpoint, { ...options, timeoutMs }),
  };
};
