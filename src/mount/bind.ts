import { Code, StatusError } from 'ttrpc-ts';
import { isWithin, listMounts, mountsAt, resolveParent, type Mount } from '../proc/mountinfo.ts';
import { makePlace, removePlace, type Place } from './place.ts';
import { runMount, type MountOptions } from './run.ts';
import { detach, isMounted } from './unmount.ts';

/** What is to be mounted where. */
export interface Bind {
  /** Without symbolic links. */
  readonly source: string;
  readonly isDirectory: boolean;
  /** Also what is mounted beneath the source. */
  readonly isRecursive: boolean;
  readonly readOnly: boolean;
  /** A fresh path; it is made. */
  readonly target: string;
  /** A fresh path in a directory that passes nothing on to others; it is made and removed. */
  readonly stage: string;
}

/**
 * Mounts a directory or a file once more. The mount is made where nobody sees it, parted from its source and, where it is
 * to be, read-only with all that is beneath; then it is moved. So a daemon's mount namespace gets it as it is to be: a
 * later remount would not reach the copy there (mount_namespaces(7)), and to unmount it unmounts nothing of the source.
 *
 * @throws StatusError AlreadyExists where the target exists, Aborted where a guest has moved it meanwhile, and what
 *   mount(8) makes of it; nothing is left then
 */
export async function bindMount(bind: Bind, options: MountOptions): Promise<void> {
  const { source, stage, target, isDirectory, isRecursive, readOnly } = bind;
  await using undo = new AsyncDisposableStack();
  makePlace(stage, isDirectory)[Symbol.dispose]();
  undo.defer(() => clearStage(stage));
  const run = (args: readonly string[], fd?: number): Promise<void> =>
    runMount('mount', args, { ...options, about: target, fd });
  await run([isRecursive ? '--rbind' : '--bind', '--make-rprivate', '--no-canonicalize', source, stage]);
  if (readOnly) await makeReadOnly(stage, run);
  const staged = mountAt(stage);
  using place = makeTarget(bind);
  try {
    await run(['--move', '--no-canonicalize', stage, '/proc/self/fd/0'], place.fd);
    requireAt(target, staged);
    undo.move();
    removePlace(stage);
  } catch (error) {
    await undoMove(bind, staged);
    throw error;
  }
}

/** Removes what a stage was made of, mounted or not. */
export async function clearStage(stage: string): Promise<void> {
  if (isMounted(stage)) {
    // The host may have ended between the mount and its parting.
    await detach(stage);
    await runMount('umount', ['--lazy', '--no-canonicalize', stage], { about: stage });
  }
  removePlace(stage);
}

function makeTarget({ target, isDirectory }: Bind): Place {
  try {
    return makePlace(target, isDirectory);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    const message = `Cannot mount at "${target}": it exists: use another name`;
    throw new StatusError(Code.AlreadyExists, message, { cause });
  }
}

/** Each by itself: `ro` is of a mount, and not of what is mounted in it. Flags that a remount does not name it clears. */
async function makeReadOnly(stage: string, run: (args: readonly string[]) => Promise<void>): Promise<void> {
  const resolved = resolveParent(stage);
  const tree = listMounts().filter(({ mountpoint }) => isWithin(mountpoint, resolved));
  for (const { mountpoint, options } of tree) {
    const flags = [
      'remount',
      'bind',
      'ro',
      ...options.filter((option) => option !== 'rw' && option !== 'ro'),
    ];
    // oxlint-disable-next-line no-await-in-loop -- seldom more than one
    await run(['--options', flags.join(','), '--no-canonicalize', mountpoint]);
  }
}

function mountAt(path: string): Mount | undefined {
  return mountsAt(resolveParent(path)).at(-1);
}

function requireAt(target: string, staged: Mount | undefined): void {
  if (staged !== undefined && mountAt(target)?.id === staged.id) return;
  const message = `Cannot mount at "${target}": it was moved or removed meanwhile: use another name`;
  throw new StatusError(Code.Aborted, message);
}

/** Wherever a guest has taken the target: a mount keeps its number when it is moved. */
async function undoMove({ target, stage }: Bind, staged: Mount | undefined): Promise<void> {
  const found = listMounts().find(({ id }) => id === staged?.id)?.mountpoint;
  const isMoved = found !== undefined && found !== resolveParent(stage);
  if (isMoved) await runMount('umount', ['--lazy', '--no-canonicalize', found], { about: found });
  removePlace(isMoved ? found : target);
}
