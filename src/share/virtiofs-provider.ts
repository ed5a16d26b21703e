import { findDaemon } from '../daemon/find-daemon.ts';
import { startVirtiofsd } from '../daemon/virtiofsd.ts';
import { openDaemonShare } from './daemon-share.ts';
import type { PluginContext, Provider } from './provider.ts';
import type { VirtiofsConfig } from './virtiofs-config.ts';

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
