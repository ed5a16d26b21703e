import { lstatSync, readlinkSync, statSync, type Stats } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';

/** Permission bits by which others than the owner change a directory, and the one that guards its entries all the same. */
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/**
 * Refuses a path that another user could lead elsewhere: each directory and link on it has to be root's or ours, and
 * only its owner may write to it, but for sticky directories as /tmp. What does not exist yet is no problem.
 *
 * @throws StatusError FailedPrecondition, naming the place and the remedy
 */
export function requireSafePath(path: string): void {
  for (const place of placesOn(path)) {
    const stat = lstatSync(place, { throwIfNoEntry: false });
    if (!stat) return;
    if (!isTrusted(stat)) throw foreign(place, stat);
    if (stat.isSymbolicLink())
      return requireSafePath(resolve(dirname(place), readlinkSync(place), `.${path.slice(place.length)}`));
    if (stat.mode & WRITABLE_BY_OTHERS && !(stat.mode & STICKY)) throw writable(place);
  }
}

/**
 * Refuses a directory that is not ours alone.
 *
 * @throws StatusError FailedPrecondition, naming the place and the remedy
 */
export function requireOwnDirectory(path: string): void {
  const stat = statSync(path);
  if (stat.uid !== process.geteuid?.()) throw foreign(path, stat);
  if (stat.mode & WRITABLE_BY_OTHERS) throw writable(path);
}

/**
 * Refuses a file in a directory of ours that is a link or another user's: what writes to it by name would write elsewhere.
 *
 * @throws StatusError FailedPrecondition, naming the file and the remedy
 */
export function requireOwnFile(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (stat.isSymbolicLink()) throw refused(path, 'is a symbolic link', 'remove it');
  if (!isTrusted(stat)) throw foreign(path, stat);
}

/** `/`, `/run`, `/run/x`, … */
const placesOn = (path: string): string[] =>
  path.split(sep).map((_, index, names) => names.slice(0, index + 1).join(sep) || sep);

/** Root, ourselves, and whom the root directory belongs to: root is another number in a user namespace. */
const isTrusted = ({ uid }: Stats): boolean =>
  uid === 0 || uid === process.geteuid?.() || uid === statSync(sep).uid;

const foreign = (path: string, { uid }: Stats): StatusError =>
  refused(path, `belongs to user ${uid}`, 'change its owner, or use another state directory');

const writable = (path: string): StatusError =>
  refused(
    path,
    'can be written to by others',
    `take that from them (chmod go-w), or use another state directory`,
  );

const refused = (path: string, problem: string, remedy: string): StatusError =>
  new StatusError(Code.FailedPrecondition, `Cannot trust "${path}": it ${problem}: ${remedy}`);
