import { findDaemon } from './find.ts';
import { startVirtiofsd } from './virtiofsd.ts';
import { openDaemonShare } from '../../src/share/open-share.ts';
import type { PluginContext, Provider } from '../../src/share/contract.ts';
import type { VirtiofsConfig } from './config.ts';

/** The provider of `virtio-fs` shares: one virtiofsd each. */
export function createVirtiofsProvider(context: PluginContext<VirtiofsConfig>): Provider {
  const { config, log } = context;
  return {
    openShare: (request, { signal }) =>
      openDaemonShare(context, request, {
        queueSize: config.virtio_fs_queue_size,
        signal,
        start: ({ socketPath, sharedDir, outputPath, launcher }) =>
          startVirtiofsd(
            {
              daemonPath: config.virtio_fs_daemon ?? findDaemon(),
              socketPath,
              sourcePath: sharedDir,
              cache: config.virtio_fs_cache,
              syslog: config.virtio_fs_syslog,
              debug: config.virtio_fs_debug,
              readOnly: request.readOnly,
              extraArgs: config.virtio_fs_extra_args,
              dialect: config.virtio_fs_dialect,
            },
            {
              outputPath,
              startTimeoutMs: config.virtio_fs_start_timeout_ms,
              stopTimeoutMs: config.virtio_fs_stop_timeout_ms,
              log: log.child({ sandbox: request.sandboxId, share: request.tag }),
              launcher,
              signal,
            },
          ),
      }),
  };
}
