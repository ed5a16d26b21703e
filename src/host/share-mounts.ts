import pLimit from 'p-limit';
import { Code, StatusError } from 'ttrpc-ts';
import type {
  CallOptions,
  MountOutcome,
  MountRequest,
  PluginMountOptions,
  UnmountOutcome,
} from '../share/contract.ts';
import {
  readRecord,
  recordMountChange,
  recordMounts,
  type MountChange,
  type MountRecord,
} from '../share/record.ts';
import type { ShareFiles, StateDirectory } from '../share/state-directory.ts';

/** How many mounts of a share are under way at a time. More are not done sooner, and hold up the event loop. */
const MOUNTS_AT_A_TIME = 4;
/** After so many changes the record is written anew, which takes the longer the more is mounted. */
const MAX_CHANGES = 250;

/** Something that is mounted in a share. */
export interface ShareMount {
  readonly source: string;
  readonly mountpoint: string;
  /** As its provider names it, e.g. `bind`. */
  readonly kind: string;
  readonly options: readonly string[];
  readonly mountedAt: Date;
}

/** What is mounted in one share, by this host and by former ones. */
export interface ShareMounts {
  /** In the order in which it was mounted. */
  list(): readonly ShareMount[];
  mount(request: MountRequest, options: CallOptions): Promise<ShareMount>;
  unmount(mountpoint: string, options: CallOptions): Promise<UnmountOutcome>;
  /** Refuses further calls, gives up those under way, and waits for them. */
  close(): Promise<void>;
}

/** What does the work. */
export interface ShareMountsParts {
  readonly tag: string;
  readonly files: ShareFiles;
  readonly stateDir: StateDirectory;
  mount(request: MountRequest, options: PluginMountOptions): Promise<MountOutcome | void>;
  /** @param mounted what is known of what is mounted there */
  unmount(
    mountpoint: string,
    options: CallOptions,
    mounted: Pick<MountRecord, 'source' | 'kind'> | undefined,
  ): Promise<UnmountOutcome | void>;
}

/** Creates the list of what is mounted in a share. What is on record of it is read when it is first asked for. */
export const createShareMounts = (parts: ShareMountsParts): ShareMounts => new RecordedMounts(parts);

interface State {
  readonly mounts: Map<string, MountRecord>;
  readonly former: Set<string>;
}

class RecordedMounts implements ShareMounts {
  readonly #parts: ShareMountsParts;
  readonly #cancel = new AbortController();
  /** What goes on at a mountpoint, which the next one there waits for. */
  readonly #underWay = new Map<string, Promise<unknown>>();
  readonly #limit = pLimit(MOUNTS_AT_A_TIME);
  #state: State | undefined;
  /** How many the record has not. */
  #changes = 0;

  constructor(parts: ShareMountsParts) {
    this.#parts = parts;
  }

  list(): readonly ShareMount[] {
    return [...this.#read().mounts.values()].filter(({ isPending }) => !isPending).map(toMount);
  }

  mount(request: MountRequest, { signal }: CallOptions): Promise<ShareMount> {
    const { source, mountpoint, type = 'unknown', options: asked = [] } = request;
    return this.#inTurn(mountpoint, signal, async (either) => {
      const { mounts, former } = this.#read();
      const present = mounts.get(mountpoint);
      const options = { signal: either, formerMountpoints: former };
      const begun = { source, mountpoint, mountedAt: new Date().toISOString() };
      await using undo = new AsyncDisposableStack();
      if (!present) {
        undo.defer(() => this.#forget(mountpoint));
        // Before the mount: it may be made, and this host die before it has said so.
        this.#set(mountpoint, { ...begun, isPending: true });
      }
      const outcome = await this.#parts.mount(request, options);
      const { kind, options: held, source: found = source } = outcome ?? { kind: type, options: asked };
      const mounted = { ...begun, source: found, kind, options: [...held] };
      if (!present) {
        undo.defer(async () => void (await this.#parts.unmount(mountpoint, {}, mounted)));
        this.#set(mountpoint, mounted);
      }
      undo.move();
      return toMount(present ?? mounted);
    });
  }

  unmount(mountpoint: string, { signal }: CallOptions): Promise<UnmountOutcome> {
    return this.#inTurn(mountpoint, signal, async (either) => {
      const { mounts, former } = this.#read();
      const outcome = await this.#parts.unmount(mountpoint, { signal: either }, mounts.get(mountpoint));
      if (mounts.delete(mountpoint)) {
        former.add(mountpoint);
        this.#write({ unmounted: mountpoint });
      }
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

  /** What stays on record as pending, the next host sees to. */
  #forget(mountpoint: string): void {
    this.#read().mounts.delete(mountpoint);
    try {
      this.#write({ forgotten: mountpoint });
    } catch {} // told where it was first tried
  }

  #set(mountpoint: string, mount: MountRecord): void {
    this.#read().mounts.set(mountpoint, mount);
    this.#write({ mount });
  }

  #write(change: MountChange): void {
    const { files, stateDir } = this.#parts;
    if (!stateDir.isInPlace()) return;
    const changes = this.#changes + 1;
    // What cannot be written now is written with the next.
    this.#changes = MAX_CHANGES;
    stateDir.reserve.use(() => {
      if (changes < MAX_CHANGES) recordMountChange(files, change);
      else recordMounts(files, this.#forRecord());
    });
    this.#changes = changes < MAX_CHANGES ? changes : 0;
  }

  #forRecord(): Parameters<typeof recordMounts>[1] {
    const { mounts, former } = this.#read();
    const formerMountpoints = former.size > 0 ? { formerMountpoints: [...former] } : {};
    return { mounts: [...mounts.values()], ...formerMountpoints };
  }

  #read(): State {
    if (this.#state) return this.#state;
    const { mounts = [], formerMountpoints = [] } = readRecord(this.#parts.files) ?? {};
    this.#state = {
      mounts: new Map(mounts.map((mount) => [mount.mountpoint, mount])),
      former: new Set(formerMountpoints),
    };
    return this.#state;
  }
}

const toMount = ({
  source,
  mountpoint,
  mountedAt,
  kind = 'unknown',
  options = [],
}: MountRecord): ShareMount => ({
  source,
  mountpoint,
  kind,
  options,
  mountedAt: new Date(mountedAt),
});
