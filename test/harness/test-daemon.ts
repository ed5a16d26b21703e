import { join } from 'node:path';
import type { Daemon } from '../../src/daemon/contract.ts';
import { createDaemons } from '../../src/daemon/pool/pool.ts';
import type { DaemonSpec, Program } from '../../src/daemon/spec.ts';
import { startVirtiofsd } from '../../plugin/virtiofs/virtiofsd.ts';
import type { VirtiofsdSettings } from '../../plugin/virtiofs/settings.ts';
import { captureLog, type CapturedLog } from './captured-log.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A directory for a daemon's socket (`s/`), output and source (`source/`), with the settings that use it. */
export interface DaemonPlace extends AsyncDisposable {
  readonly path: string;
  readonly socketPath: string;
  readonly outputPath: string;
  readonly captured: CapturedLog;
  /** Starts a program as a daemon. */
  start(command: string, options?: Partial<DaemonSpec> & { args?: readonly string[] }): Promise<Daemon>;
  /** Starts a virtiofsd, or what stands for one, on `path` itself. */
  startVirtiofsd(
    settings: Partial<VirtiofsdSettings> & { socketPath?: string },
    where?: { signal?: AbortSignal },
  ): Promise<Daemon>;
}

/** Makes a place for a daemon. Disposal stops what was started there and removes it. */
export async function daemonPlace(): Promise<DaemonPlace> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const captured = captureLog();
  const { log } = captured;
  const places = { socketPath: join(path, 'daemon.sock'), outputPath: join(path, 'daemon.log') };
  const limits = { startTimeoutMs: 600_000, clientTimeoutMs: 0, stopTimeoutMs: 600_000 };
  const daemons = stack.use(createDaemons({ log, socketDirectory: path }));
  const own = stack.move();
  return {
    path,
    ...places,
    captured,
    start: async (command, { args = [], ...options } = {}) => {
      const basics = { name: 'virtiofsd', socket: 'handed-over', ready: { line: /Waiting for/ } } as const;
      const program = (): Program => ({ command, args });
      return own.use(await daemons.start({ ...basics, program, ...places, ...limits, ...options }));
    },
    startVirtiofsd: async ({ socketPath = places.socketPath, ...settings }, where = {}) => {
      const plain = { cache: 'auto', syslog: false, debug: false, readOnly: false };
      const noArgs = { extraArgs: [], allowUnknownArgs: false };
      const complete = {
        ...plain,
        ...noArgs,
        dialect: 'rust' as const,
        sourcePath: path,
        ...limits,
        ...settings,
      };
      return own.use(await startVirtiofsd(complete, { daemons, ...places, socketPath, ...where }));
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}
