import { randomFillSync } from 'node:crypto';
import { rmSync, statSync, writeFileSync } from 'node:fs';

/** Room on a file system: a file that is given up for what must be written when there is no other room. */
export interface Reserve extends Disposable {
  /** Takes the room, if it is not held; returns whether it is held. */
  hold(): boolean;
  /** Frees the room; returns whether there was any. */
  giveUp(): boolean;
  /** Calls `action`, and once more with the room freed where the file system was full. */
  use<T>(action: () => T): T;
}

/** Names a reserve of so many bytes at `path`; takes nothing yet. Disposal frees it. */
export function createReserve(path: string, bytes: number): Reserve {
  const isHeld = (): boolean => sizeOf(path) === bytes;
  const giveUp = (): boolean => {
    const wasHeld = isHeld();
    try {
      rmSync(path, { force: true });
      return wasHeld;
    } catch {
      return false;
    }
  };
  return {
    hold() {
      if (isHeld()) return true;
      try {
        // Random, because zeros take no room where the file system compresses.
        writeFileSync(path, randomFillSync(Buffer.allocUnsafe(bytes)), { mode: 0o600 });
        return true;
      } catch {
        giveUp();
        return false;
      }
    },
    giveUp,
    use(action) {
      try {
        return action();
      } catch (error) {
        if (!isFull(error) || !giveUp()) throw error;
        return action();
      }
    },
    [Symbol.dispose]: () => void giveUp(),
  };
}

/** True for the errors of a file system, or a quota, that has no room. */
export const isFull = (error: unknown): boolean =>
  ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');

function sizeOf(path: string): number | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.size;
  } catch {
    return undefined;
  }
}
