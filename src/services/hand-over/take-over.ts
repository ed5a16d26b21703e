import { readFileSync } from 'node:fs';
import { Code, StatusError } from 'ttrpc-ts';
import type { Takeable, TakeOver } from '../../host/lock.ts';
import { lockFile, type Lock } from '../../proc/flock.ts';
import { isAlive, type ProcessIdentity } from '../../proc/stat.ts';
import { requireReadableRecords } from '../../share/leftovers.ts';
import type { StateDirectory } from '../../share/state-directory.ts';
import { clearAddress } from '../address.ts';
import type { OwnFile } from '../own-file.ts';
import { announceHost } from '../place.ts';
import { placesOf } from '../places.ts';
import { askFormer, tooLate, type FormerHost, type TakeOverOptions } from './ask-former.ts';
import { openReception, type Receptions } from './reception.ts';

/** How long the lock of a host is waited for that has died, in milliseconds: its holder sees that and ends. */
const DEATH_MS = 2000;

/**
 * A host that is to follow another one. Disposal, once it serves, lets others follow it; where it does not come to that,
 * nobody finds it any more.
 */
export interface Succession extends AsyncDisposable {
  /** Has the other host let go of the state directory; where there is none, it just locks it. */
  readonly takeOver: TakeOver;
  /** Where callers wait who have come meanwhile, the caller's from now on; undefined where there was no other host. */
  handOn(): Receptions | undefined;
}

/** What a host has got from another. */
interface Taken {
  readonly lock: Lock;
  readonly receptions?: Receptions;
  /** Its receptions, and the files that tell of them. */
  readonly place?: AsyncDisposableStack;
}

/** Prepares a take-over of whichever state directory it is asked for. */
export function createSuccession(options: TakeOverOptions): Succession {
  const starts = new AsyncDisposableStack();
  let taken: Taken | undefined;
  return {
    handOn() {
      const { receptions } = taken ?? {};
      taken = undefined;
      return receptions;
    },
    async takeOver(takeable) {
      const lock = await lockIfFree(takeable);
      if (lock) return lock;
      starts.use(await lockStarts(takeable.stateDir));
      const former = findFormer(takeable.stateDir);
      if (!former) return lockOfDead(takeable);
      await takeable.check();
      requireReadableRecords(takeable.stateDir);
      taken = await takeFrom(former, takeable, options);
      return taken.lock;
    },
    async [Symbol.asyncDispose]() {
      await taken?.place?.disposeAsync();
      await starts.disposeAsync();
    },
  };
}

async function lockIfFree({ lock }: Pick<Takeable, 'lock'>, waitMs = 0): Promise<Lock | undefined> {
  try {
    return await lock({ waitMs });
  } catch (error) {
    if (StatusError.is(error) && error.code === Code.FailedPrecondition) return undefined;
    throw error;
  }
}

/** Of several hosts that would follow one, the first does; a shim's `start` waits, and an idle host does not end. */
async function lockStarts({ path, host }: StateDirectory): Promise<Lock> {
  try {
    return await lockFile(host.startLock);
  } catch (cause) {
    if (!StatusError.is(cause) || cause.code !== Code.FailedPrecondition) throw cause;
    const message = `Cannot take over "${path}": another host starts, takes over or ends just now: try again`;
    throw new StatusError(Code.FailedPrecondition, message, { cause });
  }
}

async function lockOfDead(takeable: Takeable): Promise<Lock> {
  const lock = await lockIfFree(takeable, DEATH_MS);
  if (lock) return lock;
  const message =
    `Cannot take over "${takeable.stateDir.path}": who has its lock tells no address: ` +
    'it is no "shim-virtiofs serve"; end it';
  throw new StatusError(Code.FailedPrecondition, message);
}

/** The host that serves the state directory; undefined where none does that is alive. */
function findFormer({ host }: StateDirectory): FormerHost | undefined {
  try {
    const [pid, startTime] = readFileSync(host.pid, 'utf8').trim().split(' ').map(Number);
    const identity = { pid, startTime } as ProcessIdentity;
    if (!isAlive(identity)) return undefined;
    return { identity, address: readFileSync(host.address, 'utf8').trim() };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function takeFrom(former: FormerHost, takeable: Takeable, options: TakeOverOptions): Promise<Taken> {
  const endsAt = performance.now() + options.timeoutMs;
  try {
    return await askToLetGo(former, takeable, { ...options, endsAt });
  } catch (error) {
    if (!hasGone(error)) throw error;
    const lock = await lockIfFree(takeable, timeUntil(endsAt));
    if (lock) return { lock };
    throw error;
  }
}

/** Callers find this host before the other one has gone: they wait, and none is refused. */
async function askToLetGo(
  former: FormerHost,
  { stateDir, config, log, lock }: Takeable,
  options: TakeOverOptions & { endsAt: number },
): Promise<Taken> {
  const { pid } = former.identity;
  const { ttrpc, grpc } = placesOf({ config, stateDir });
  const replaces = ttrpc.address === former.address;
  if (!replaces) await clearAddress(ttrpc);
  await using asked = await askFormer(former, options);
  // Disposed of before the call ends: the other host goes on where it finds nobody in its place.
  await using undo = new AsyncDisposableStack();
  const receptions = {
    ttrpc: undo.use(await openReception(ttrpc)),
    grpc: grpc && undo.use(await openReception(grpc)),
  };
  const { version, lostPods, grpcAddress } = await asked.accepted();
  const replacesGrpc = grpc?.address === grpcAddress;
  if (grpc && !replacesGrpc) await clearAddress(grpc);
  log.info({ pid, version, lostPods }, 'Taking over from another host');
  const remove = (file: OwnFile | undefined): void => undo.defer(() => file?.remove());
  remove(receptions.ttrpc.publish({ replaces }));
  remove(receptions.grpc?.publish({ replaces: replacesGrpc }));
  for (const file of announceHost(stateDir, ttrpc.address)) remove(file);
  const death = await asked.idle().catch(ifGone);
  const begin = performance.now();
  asked.letGo();
  const taken = await lockIfFree({ lock }, timeUntil(options.endsAt));
  if (!taken) throw death ?? tooLate(pid, 'does not let go', options.timeoutMs);
  log.info({ pid, waitedMs: Math.round(performance.now() - begin) }, 'The other host has let go');
  return { lock: taken, receptions, place: undo.move() };
}

const timeUntil = (endsAt: number): number => Math.max(1, endsAt - performance.now());

/** True of the error of a host that died, or was told to end: its lock will be free. */
const hasGone = (error: unknown): error is StatusError =>
  StatusError.is(error) && error.code === Code.Unavailable;

function ifGone(error: unknown): StatusError {
  if (hasGone(error)) return error;
  throw error;
}
