import { mkdir, mkdtempDisposable, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { virtiofsdCArgs } from '../../plugin/virtiofs/arguments-c.ts';
import { virtiofsdRustArgs } from '../../plugin/virtiofs/arguments-rust.ts';
import { openHost, type Host, type HostOptions } from '../../src/index.ts';
import { createLogger } from '../../src/tracing/log.ts';
import { virtiofsdConfigTable, type Virtiofsd } from './virtiofsds.ts';

/** What statfs(2) says of a file system in memory. */
const TMPFS_MAGIC = 0x01021994;

/** A temporary folder with a directory to share, in memory where it can be: as /run is. Disposal removes it. */
export interface Workbench extends AsyncDisposable {
  readonly directory: string;
  readonly source: string;
}

/** Makes one. */
export async function openWorkbench(): Promise<Workbench> {
  const temporary = await mkdtempDisposable(join(await parentFolder(), 'csv-bench-'));
  const source = join(temporary.path, 'source');
  await mkdir(source);
  return { directory: temporary.path, source, [Symbol.asyncDispose]: () => temporary.remove() };
}

async function parentFolder(): Promise<string> {
  for (const path of ['/run', '/dev/shm']) {
    // oxlint-disable-next-line no-await-in-loop -- the first that fits
    if ((await statfs(path).catch(() => undefined))?.type === TMPFS_MAGIC) return path;
  }
  return tmpdir();
}

/** Opens a host with the default configuration and log level, its log going to a file. */
export async function openBenchHost(
  virtiofsd: Pick<Virtiofsd, 'path' | 'dialect'>,
  { directory }: Pick<Workbench, 'directory'>,
  shares?: HostOptions['shares'],
): Promise<Host> {
  const state = join(directory, `state-${virtiofsd.dialect}`);
  const log = createLogger('info', pino.destination({ dest: `${state}.log`, sync: false }));
  return openHost({
    config: { version: 1, state, scratch_dir: state, plugins: virtiofsdConfigTable(virtiofsd) },
    log,
    shares,
  });
}

/** Returns the command line with which such a host starts its daemons on the source. */
export function commandLine({ path, dialect }: Virtiofsd, { source }: Workbench): string[] {
  const settings = {
    daemonPath: path,
    sourcePath: source,
    cache: 'auto',
    syslog: false,
    debug: false,
    readOnly: false,
    extraArgs: [],
    allowUnknownArgs: false,
    dialect,
    startTimeoutMs: 5000,
    clientTimeoutMs: 0,
    stopTimeoutMs: 1000,
  };
  return [path, ...(dialect === 'c' ? virtiofsdCArgs(settings, 0) : virtiofsdRustArgs(settings, 0))];
}
