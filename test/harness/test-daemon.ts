import { join } from 'node:path';
import { startDaemon, type Daemon, type DaemonOptions } from '../../src/daemon/daemon.ts';
import { startVirtiofsd, type VirtiofsdSettings } from '../../plugin/virtiofs/virtiofsd.ts';
import { captureLog, type CapturedLog } from './captured-log.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A directory for a daemon's socket (`s/`), output and source (`source/`), with the settings that use it. */
export interface DaemonPlace extends AsyncDisposable {
  readonly path: string;
  readonly socketPath: string;
  readonly outputPath: string;
  readonly captured: CapturedLog;
  /** Starts a program as a daemon. */
  start(command: string, options?: Partial<DaemonOptions>): Promise<Daemon>;
  /** Starts a virtiofsd, or what stands for one, on `path` itself. */
  startVirtiofsd(
    settings: Pick<VirtiofsdSettings, 'daemonPath'> & Partial<VirtiofsdSettings>,
    where?: { signal?: AbortSignal; startTimeoutMs?: number; stopTimeoutMs?: number },
  ): Promise<Daemon>;
}

/** Makes a place for a daemon. Disposal stops what was started there and removes it. */
export async function daemonPlace(): Promise<DaemonPlace> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const captured = captureLog();
  const { log } = captured;
  const places = { socketPath: join(path, 'daemon.sock'), outputPath: join(path, 'daemon.log') };
  const limits = { startTimeoutMs: 600_000, stopTimeoutMs: 600_000, log };
  const own = stack.move();
  return {
    path,
    ...places,
    captured,
    start: async (command, options = {}) => {
      const basics = { name: 'virtiofsd', command, args: [], waitingLine: /Waiting for/ };
      return own.use(await startDaemon({ ...basics, ...places, ...limits, ...options }));
    },
    startVirtiofsd: async (settings, where = {}) => {
      const plain = { cache: 'auto', syslog: false, debug: false, readOnly: false, extraArgs: [] };
      const complete = { ...plain, dialect: 'rust' as const, sourcePath: path, ...places, ...settings };
      return own.use(await startVirtiofsd(complete, { ...limits, outputPath: places.outputPath, ...where }));
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}
