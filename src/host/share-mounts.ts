import { isDeepStrictEqual } from 'node:util';
import pLimit from 'p-limit';
import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import type {
  CallOptions,
  MountOutcome,
  MountRecipe,
  MountRequest,
  PluginMountOptions,
  UnmountOutcome,
} from '../share/contract.ts';
import type { MountRecord } from '../share/record.ts';
import type { ShareFiles, StateDirectory } from '../share/state-directory.ts';
import { createMountList, type MountList } from './mount-list.ts';
import { createReplay, type Replay } from './replay-mounts.ts';

/** How many mounts of a share are under way at a time. More are not done sooner, and hold up the event loop. */
const MOUNTS_AT_A_TIME = 4;

/** Something that is mounted in a share. */
export interface ShareMount {
  readonly source: string;
  readonly mountpoint: string;
  /** As its provider names it, e.g. `bind`. */
  readonly kind: string;
  readonly options: readonly string[];
  readonly mountedAt: Date;
  /** Why it is not there: it was mounted in a daemon that another one has followed. @default it is there */
  readonly problem?: string;
}

/** What is mounted in one share, by this host and by former ones. */
export interface ShareMounts {
  /** In the order in which it was mounted. */
  list(): readonly ShareMount[];
  mount(request: MountRequest, options: CallOptions): Promise<ShareMount>;
  unmount(mountpoint: string, options: CallOptions): Promise<UnmountOutcome>;
  /** Mounts once more what a daemon had that another one follows; undefined where what is mounted needs none. */
  readonly replay: Replay | undefined;
  /** Refuses further calls, gives up those under way, and waits for them. */
  close(): Promise<void>;
}

/** What does the work. */
export interface ShareMountsParts {
  readonly tag: string;
  readonly files: ShareFiles;
  readonly stateDir: StateDirectory;
  readonly log: Logger;
  /** How often the share's daemon has been replaced. */
  restarts(): number;
  mount(request: MountRequest, options: PluginMountOptions): Promise<MountOutcome | void>;
  /** @param mounted what is known of what is mounted there */
  unmount(
    this: void,
    mountpoint: string,
    options: CallOptions,
    mounted: Pick<MountRecord, 'source' | 'kind'> | undefined,
  ): Promise<UnmountOutcome | void>;
  /** Undefined where what is mounted needs no daemon to be there. */
  readonly remount: ((request: MountRequest, options: CallOptions) => Promise<void>) | undefined;
}

/** Creates the list of what is mounted in a share. What is on record of it is read when it is first asked for. */
export const createShareMounts = (parts: ShareMountsParts): ShareMounts => new RecordedMounts(parts);

class RecordedMounts implements ShareMounts {
  readonly #parts: ShareMountsParts;
  readonly #cancel = new AbortController();
  /** What goes on at a mountpoint, which the next one there waits for. */
  readonly #underWay = new Map<string, Promise<unknown>>();
  readonly #limit = pLimit(MOUNTS_AT_A_TIME);
  readonly #list: MountList;
  /** What was asked for. Only what holds no secrets is on record. */
  readonly #requests = new Map<string, MountRecipe>();
  readonly replay: Replay | undefined;

  constructor(parts: ShareMountsParts) {
    const { files, stateDir, log, remount, unmount } = parts;
    this.#parts = parts;
    this.#list = createMountList(files, stateDir);
    this.replay =
      remount &&
      createReplay({
        list: this.#list,
        log,
        requests: this.#requests,
        remount,
        unmount,
        inTurn: (...args) => this.#inTurn(...args),
      });
  }

  list(): readonly ShareMount[] {
    return [...this.#list.mounts.values()].filter(({ isPending }) => !isPending).map(toMount);
  }

  mount(request: MountRequest, { signal }: CallOptions): Promise<ShareMount> {
    const { source, mountpoint } = request;
    return this.#inTurn(mountpoint, signal, async (either) => {
      const former = this.#list.mounts.get(mountpoint);
      const daemon = this.#parts.remount ? { restarts: this.#parts.restarts() } : {};
      const isThere = former && !former.isPending && !former.problem && former.restarts === daemon.restarts;
      const present = isThere ? former : undefined;
      const begun = { source, mountpoint, mountedAt: new Date().toISOString(), ...daemon };
      await using undo = new AsyncDisposableStack();
      if (!present) {
        undo.defer(() => (former ? this.#list.set(former) : this.#list.forget(mountpoint)));
        // Before the mount: it may be made, and this host die before it has said so.
        this.#list.set({ ...begun, isPending: true });
      }
      const options = { signal: either, formerMountpoints: this.#list.former };
      const outcome = await this.#parts.mount(request, options);
      const mounted = { ...begun, ...detailsOf(request, outcome) };
      const kept = present && isSame(present, mounted) ? present : undefined;
      if (!kept) {
        // What was there was gone, and its host died before it had said so.
        if (present) undo.defer(() => this.#list.forget(mountpoint));
        undo.defer(async () => void (await this.#parts.unmount(mountpoint, {}, mounted)));
        this.#list.set(mounted);
      }
      undo.move();
      if (this.#parts.remount) this.#requests.set(mountpoint, request);
      return toMount(kept ?? mounted);
    });
  }

  unmount(mountpoint: string, { signal }: CallOptions): Promise<UnmountOutcome> {
    return this.#inTurn(mountpoint, signal, async (either) => {
      const mounted = this.#list.mounts.get(mountpoint);
      const outcome = await this.#parts.unmount(mountpoint, { signal: either }, mounted);
      this.#list.remove(mountpoint);
      this.#requests.delete(mountpoint);
      return outcome ?? { guestMayHoldIt: true };
    });
  }

  async close(): Promise<void> {
    const message = `Share "${this.#parts.tag}" is being closed`;
    this.#cancel.abort(new StatusError(Code.Canceled, message));
    await Promise.allSettled(this.#underWay.values());
  }

  async #inTurn<T>(
    mountpoint: string,
    signal: AbortSignal | undefined,
    action: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { signal: closing } = this.#cancel;
    const either = signal ? AbortSignal.any([signal, closing]) : closing;
    const run = (): Promise<T> =>
      this.#limit(async () => {
        either.throwIfAborted();
        return action(either);
      });
    const before = this.#underWay.get(mountpoint) ?? Promise.resolve();
    const turn = before.then(run, run);
    this.#underWay.set(mountpoint, turn);
    try {
      return await turn;
    } finally {
      if (this.#underWay.get(mountpoint) === turn) this.#underWay.delete(mountpoint);
    }
  }
}

/** What the plugin made of a request. */
function detailsOf(
  { source, type = 'unknown', options: asked = [] }: MountRequest,
  outcome: MountOutcome | void,
): Pick<MountRecord, 'source' | 'kind' | 'options' | 'recipe'> {
  const { kind, options, source: found = source, recipe } = outcome ?? { kind: type, options: asked };
  return { source: found, kind, options: [...options], ...(recipe ? { recipe } : {}) };
}

/** True where a mount that was asked for is the one that is there. */
const isSame = (present: MountRecord, mounted: Pick<MountRecord, 'source' | 'recipe'>): boolean =>
  present.source === mounted.source && isDeepStrictEqual(present.recipe, mounted.recipe);

const toMount = ({
  source,
  mountpoint,
  mountedAt,
  kind = 'unknown',
  options = [],
  problem,
}: MountRecord): ShareMount => ({
  source,
  mountpoint,
  kind,
  options,
  mountedAt: new Date(mountedAt),
  ...(problem === undefined ? {} : { problem }),
});
