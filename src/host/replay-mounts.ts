import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import { messageOf } from '../errors.ts';
import type { CallOptions, MountRecipe, MountRequest } from '../share/contract.ts';
import type { MountRecord } from '../share/record.ts';
import type { MountList } from './mount-list.ts';

/** Over how many daemons that did not answer any more a mount is tried; it may be what ends them. */
const MAX_DAEMONS = 2;

/** What {@link createReplay} needs. */
export interface ReplayParts {
  readonly list: MountList;
  readonly log: Logger;
  /** What this host was asked for, which may hold what is not on record. */
  readonly requests: ReadonlyMap<string, MountRecipe>;
  remount(this: void, request: MountRequest, options: CallOptions): Promise<void>;
  unmount(
    this: void,
    mountpoint: string,
    options: CallOptions,
    mounted: Pick<MountRecord, 'source' | 'kind'>,
  ): Promise<unknown>;
  /** Does something when nothing else goes on at a mountpoint. */
  inTurn(
    this: void,
    mountpoint: string,
    signal: AbortSignal | undefined,
    action: (signal: AbortSignal) => Promise<void>,
  ): Promise<void>;
}

/** Makes what is on record the truth in the daemon that is the newest. */
export interface Replay {
  /** True where something is mounted in a former daemon, and may be in no other. */
  hasLost(restarts: number): boolean;
  /**
   * Mounts it once more in the daemon that so many came before, one after the other in the order in which it was mounted.
   * What cannot be mounted gets its problem on record, and the others are. What a host that died was mounting is undone.
   *
   * @throws the reason for which it was given up
   */
  run(restarts: number, options: CallOptions): Promise<void>;
}

/** Creates what replays the mounts of one share. */
export const createReplay = (parts: ReplayParts): Replay => new MountReplay(parts);

class MountReplay implements Replay {
  readonly #parts: ReplayParts;
  /** Of each mount, those daemons that did not answer any more when it was tried, and what came of it. */
  readonly #silences = new Map<string, { readonly daemons: number; readonly problem: string }>();

  constructor(parts: ReplayParts) {
    this.#parts = parts;
  }

  hasLost(restarts: number): boolean {
    return [...this.#parts.list.mounts.values()].some((mount) => isLost(mount, restarts));
  }

  async run(restarts: number, { signal }: CallOptions): Promise<void> {
    const { list, inTurn } = this.#parts;
    let silence: string | undefined;
    for (const mountpoint of list.mounts.keys()) {
      // oxlint-disable-next-line no-await-in-loop -- in the order in which they were mounted
      await inTurn(mountpoint, signal, async (either) => {
        const mount = list.mounts.get(mountpoint);
        if (mount && isLost(mount, restarts))
          silence = await this.#replay(mount, { signal: either, restarts, silence });
      });
    }
    const unfinished = [...list.mounts.values()].filter(({ isPending }) => isPending);
    await Promise.all(unfinished.map((mount) => this.#undo(mount, { restarts, signal })));
  }

  /** Resolves to why nothing more is to be tried. */
  async #replay(
    mount: MountRecord,
    { signal, restarts, silence }: { signal: AbortSignal; restarts: number; silence: string | undefined },
  ): Promise<string | undefined> {
    const { mountpoint, problem: _problem, ...same } = mount;
    try {
      if (silence !== undefined) throw new Error(silence);
      await this.#remount(mount, signal);
    } catch (error) {
      signal.throwIfAborted();
      const problem = messageOf(error);
      this.#complain(mount, 'Cannot mount again what a former daemon had', error);
      this.#note({ ...same, mountpoint, restarts, problem });
      return isSilence(error) ? problem : silence;
    }
    this.#silences.delete(mountpoint);
    this.#note({ ...same, mountpoint, restarts });
    return undefined;
  }

  /** What cannot be recorded is as it is nevertheless: those after it are mounted too. */
  #note(mount: MountRecord): void {
    try {
      this.#parts.list.set(mount);
    } catch (error) {
      this.#complain(mount, 'Cannot record what became of a mount', error);
    }
  }

  async #remount(mount: MountRecord, signal: AbortSignal): Promise<void> {
    const { mountpoint, recipe } = mount;
    const request = this.#parts.requests.get(mountpoint) ?? recipe;
    if (!request) {
      const message = 'What it is made of is not on record, as it may hold secrets: mount it once more';
      throw new StatusError(Code.FailedPrecondition, message);
    }
    const { daemons, problem } = this.#silences.get(mountpoint) ?? { daemons: 0, problem: '' };
    if (daemons >= MAX_DAEMONS) {
      const message = `Given up after ${daemons} daemons that did not answer any more: ${problem}`;
      throw new StatusError(Code.FailedPrecondition, message);
    }
    try {
      await this.#parts.remount(requestOf(request, mountpoint), { signal });
    } catch (error) {
      if (isSilence(error))
        this.#silences.set(mountpoint, { daemons: daemons + 1, problem: messageOf(error) });
      throw error;
    }
  }

  /** A daemon that came later never had it. */
  #undo(pending: MountRecord, { restarts, signal }: { restarts: number } & CallOptions): Promise<void> {
    const { list, inTurn, unmount } = this.#parts;
    const { mountpoint } = pending;
    return inTurn(mountpoint, signal, async (either) => {
      if (list.mounts.get(mountpoint) !== pending) return;
      try {
        if (pending.restarts === restarts) await unmount(mountpoint, { signal: either }, pending);
        list.forget(mountpoint);
      } catch (error) {
        this.#complain(pending, 'Cannot undo a mount that its host did not finish', error);
      }
    });
  }

  #complain({ source, mountpoint }: MountRecord, message: string, error: unknown): void {
    this.#parts.log.error({ source, mountpoint, err: error }, `${message}: ${messageOf(error)}`);
  }
}

/** What was recorded before records told the daemon may be anywhere. */
const isLost = ({ isPending, restarts }: MountRecord, now: number): boolean =>
  !isPending && restarts !== undefined && restarts !== now;

const isSilence = (error: unknown): boolean => StatusError.is(error) && error.code === Code.Unavailable;

const requestOf = (
  { source, config, type, options }: NonNullable<MountRecord['recipe']>,
  mountpoint: string,
): MountRequest => ({
  source,
  mountpoint,
  ...(config === undefined ? {} : { config }),
  ...(type === undefined ? {} : { type }),
  ...(options === undefined ? {} : { options }),
});
