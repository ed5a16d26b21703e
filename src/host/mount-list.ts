import {
  readRecord,
  recordMountChange,
  recordMounts,
  type MountChange,
  type MountRecord,
} from '../share/record.ts';
import type { ShareFiles, StateDirectory } from '../share/state-directory.ts';

/** After so many changes the record is written anew, which takes the longer the more is mounted. */
const MAX_CHANGES = 250;

/** What is mounted in a share, as its record has it; written whenever it changes. */
export interface MountList {
  /** By mountpoint, in the order in which it was mounted. */
  readonly mounts: ReadonlyMap<string, MountRecord>;
  /** Where something was mounted and is no more. */
  readonly former: ReadonlySet<string>;
  set(mount: MountRecord): void;
  /** Takes out what was never mounted. What stays on record as pending, the next host sees to. */
  forget(mountpoint: string): void;
  /** Takes out what has been unmounted. */
  remove(mountpoint: string): void;
}

interface State {
  readonly mounts: Map<string, MountRecord>;
  readonly former: Set<string>;
}

/** Creates the list. The record is read when it is first asked for. */
export function createMountList(files: ShareFiles, stateDir: StateDirectory): MountList {
  let state: State | undefined;
  const read = (): State => {
    state ??= readState(files);
    return state;
  };
  /** How many the record has not. */
  let changes = 0;
  const write = (change: MountChange): void => {
    if (!stateDir.isInPlace()) return;
    const count = changes + 1;
    // What cannot be written now is written with the next.
    changes = MAX_CHANGES;
    stateDir.reserve.use(() => {
      if (count < MAX_CHANGES) recordMountChange(files, change);
      else recordMounts(files, forRecord(read()));
    });
    changes = count < MAX_CHANGES ? count : 0;
  };
  return {
    get mounts() {
      return read().mounts;
    },
    get former() {
      return read().former;
    },
    set(mount) {
      read().mounts.set(mount.mountpoint, mount);
      write({ mount });
    },
    forget(mountpoint) {
      read().mounts.delete(mountpoint);
      try {
        write({ forgotten: mountpoint });
      } catch {} // told where it was first tried
    },
    remove(mountpoint) {
      const { mounts, former } = read();
      if (!mounts.delete(mountpoint)) return;
      former.add(mountpoint);
      write({ unmounted: mountpoint });
    },
  };
}

function forRecord({ mounts, former }: State): Parameters<typeof recordMounts>[1] {
  const formerMountpoints = former.size > 0 ? { formerMountpoints: [...former] } : {};
  return { mounts: [...mounts.values()], ...formerMountpoints };
}

function readState(files: ShareFiles): State {
  const { mounts = [], formerMountpoints = [] } = readRecord(files) ?? {};
  return {
    mounts: new Map(mounts.map((mount) => [mount.mountpoint, mount])),
    former: new Set(formerMountpoints),
  };
}
