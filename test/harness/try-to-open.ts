import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigInput } from '../../src/config/schema.ts';
import { openHost, type Host } from '../../src/host/host.ts';
import type { LibraryShareRequest } from '../../src/host/joined-shares.ts';
import { mountsBeneath } from '../../src/proc/mountinfo.ts';
import { readStat } from '../../src/proc/stat.ts';
import type { DaemonError } from '../../src/errors.ts';
import { captureLog } from './captured-log.ts';
import { eventually } from './eventually.ts';
import { leftovers } from './leftovers.ts';

/** What came of an attempt to open a share on a host of its own. */
export interface Attempt {
  /** Undefined where the share was ready. */
  readonly error?: Pick<DaemonError, 'name' | 'code' | 'message'> & Partial<DaemonError>;
  /** What is left of it when share and host are closed: files, processes, descriptors, mounts. */
  readonly left: readonly string[];
}

type Spoilt = (() => void) | void;

/** How it is tried. */
export interface TryOptions {
  readonly config: ConfigInput & { readonly state: string };
  readonly share: LibraryShareRequest;
  readonly signal?: AbortSignal | undefined;
  /** Spoils something when the host is there; what it returns makes it good again before the host ends. */
  readonly spoil?: ((host: Host) => Spoilt | Promise<Spoilt>) | undefined;
}

/** Opens a host and a share, waits until it is ready, and closes both. */
export async function tryToOpen({ config, share, signal, spoil }: TryOptions): Promise<Attempt> {
  const before = { processes: children(), sockets: socketsOpen() };
  const error = await attempt({ config, share, spoil, signal }).catch((failure: DaemonError) => ({
    name: failure.name,
    code: failure.code,
    message: failure.message,
    ...('exit' in failure ? { exit: failure.exit, lastLines: failure.lastLines } : {}),
  }));
  // Node.js takes note of an end, and closes a socket, in a later turn.
  await eventually('nothing is open or running', () => {
    const processes = children().filter((pid) => !before.processes.includes(pid));
    return processes.length === 0 && socketsOpen() <= before.sockets;
  });
  const left = [
    ...(await leftovers(config.state)),
    ...readdirSync(join(config.state, 's')).map((name) => `socket ${name}`),
    ...mountsBeneath(config.state).filter((path) => path !== config.state && path.startsWith(config.state)),
    ...descriptors().filter((path) => path.startsWith(config.state)),
  ];
  return { ...(error ? { error } : {}), left };
}

async function attempt({ config, share, spoil, signal }: TryOptions): Promise<undefined> {
  await using host = await openHost({ config, log: captureLog().log });
  using undo = new DisposableStack();
  undo.defer((await spoil?.(host)) ?? (() => {}));
  await using opened = await host.openShare(share, { signal });
  await opened.ready;
}

const children = (): number[] =>
  readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1')
    .split(' ')
    .filter(Boolean)
    .map(Number)
    .filter((pid) => readStat(pid)?.state !== 'Z');

const socketsOpen = (): number => descriptors().filter((target) => target.startsWith('socket:')).length;

const descriptors = (): string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
