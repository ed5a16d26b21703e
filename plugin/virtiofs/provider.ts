import { adoptShare, openShare, type CreateProvider } from 'containerd-shim-virtiofs/plugin';
import { checkSettings } from './check-settings.ts';
import type { VirtiofsConfig } from './config.ts';
import { describeVirtiofsd } from './virtiofsd.ts';

/** The provider of `virtio-fs` shares: one virtiofsd each. */
export const createProvider: CreateProvider<VirtiofsConfig> = (context) => {
  const { queueSize, onExit, ...settings } = context.config;
  return {
    check: (shares, options) => checkSettings(context.config, shares, options),
    openShare: (request, { signal }) =>
      openShare(context, request, {
        queueSize,
        onExit,
        signal,
        sourceTimeoutMs: settings.startTimeoutMs,
        daemon: ({ sharedDir }) =>
          describeVirtiofsd({ ...settings, sourcePath: sharedDir, readOnly: request.readOnly }),
      }),
    adoptShare: (record) =>
      adoptShare(context, record, {
        daemon: ({ sharedDir }) =>
          describeVirtiofsd({ ...settings, sourcePath: sharedDir, readOnly: record.readOnly }),
      }),
  };
};
