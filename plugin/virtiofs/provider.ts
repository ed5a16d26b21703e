import {
  adoptShare,
  mountBind,
  openShare,
  settleBinds,
  unmountBind,
  type CreateProvider,
} from 'containerd-shim-virtiofs/plugin';
import { checkSettings } from './check-settings.ts';
import type { VirtiofsConfig } from './config.ts';
import { describeVirtiofsd } from './virtiofsd.ts';

/** The provider of `virtio-fs` shares: one virtiofsd each. */
export const createProvider: CreateProvider<VirtiofsConfig> = (context) => {
  const { queueSize, mountTimeoutMs: timeoutMs, ...settings } = context.config;
  return {
    check: (shares, options) => checkSettings(context.config, shares, options),
    openShare: (request, { signal }) =>
      openShare(context, request, {
        queueSize,
        signal,
        sourceTimeoutMs: settings.startTimeoutMs,
        daemon: ({ sharedDir }) =>
          describeVirtiofsd({ ...settings, sourcePath: sharedDir, readOnly: request.readOnly }),
      }),
    async adoptShare(record) {
      if (record.ownsSource) await settleBinds(context, record);
      return adoptShare(context, record, {
        daemon: ({ sharedDir }) =>
          describeVirtiofsd({ ...settings, sourcePath: sharedDir, readOnly: record.readOnly }),
      });
    },
    mount: (share, request, options) => mountBind(context, share, request, { ...options, timeoutMs }),
    unmount: (share, mountpoint, options) => unmountBind(share, mountpoint, { ...options, timeoutMs }),
  };
};
