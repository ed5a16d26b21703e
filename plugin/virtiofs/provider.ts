import { adoptShare, openShare, type CreateProvider } from 'containerd-shim-virtiofs/plugin';
import { checkSettings } from './check-settings.ts';
import { CACHE_MODES, type VirtiofsConfig } from './config.ts';
import { describeVirtiofsd } from './virtiofsd.ts';

/** The provider of `virtio-fs` shares: one virtiofsd each. */
export const createProvider: CreateProvider<VirtiofsConfig> = (context) => {
  const { queueSize, onExit, ...settings } = context.config;
  return {
    cacheModes: CACHE_MODES,
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
    adoptShare(record) {
      const { readOnly, cache = settings.cache } = record;
      return adoptShare(context, record, {
        daemon: ({ sharedDir }) => describeVirtiofsd({ ...settings, cache, sourcePath: sharedDir, readOnly }),
      });
    },
  };
};
