import { closestMatch } from 'leven';

/** What the options of a spec's mount say of its share. */
export interface MountOptions {
  readonly readOnly: boolean;
  readonly cache?: string;
  readonly sharedFs?: string;
}

/** `rro` is no more than `ro` here: a daemon serves mounts beneath its directory as read-only as the directory. */
const ACCESS: Readonly<Record<string, boolean>> = { ro: true, rro: true, rw: false, rrw: false };

/**
 * What specs carry along and means nothing to a share: how directories are bound on the host, and what the guest decides
 * when it mounts.
 */
const MEANINGLESS: ReadonlySet<string> = new Set(
  (
    'bind rbind private rprivate shared rshared slave rslave unbindable runbindable defaults loud silent ' +
    'suid nosuid dev nodev exec noexec symfollow nosymfollow sync async dirsync atime noatime diratime nodiratime ' +
    'relatime norelatime strictatime nostrictatime lazytime nolazytime iversion noiversion mand nomand ' +
    'rsuid rnosuid rdev rnodev rexec rnoexec rsymfollow rnosymfollow ratime rnoatime rdiratime rnodiratime ' +
    'rrelatime rnorelatime rstrictatime rnostrictatime'
  ).split(' '),
);

const PROVIDER = 'shared_fs=';
const CACHE = 'cache=';

/**
 * Reads mount options, several in one text as well (`ro,nosuid`); of those that contradict each other the last counts,
 * as with mount(8).
 *
 * @throws Error naming an option that is not understood: a wish is never dropped
 */
export function parseMountOptions(texts: readonly string[]): MountOptions {
  let readOnly = false;
  let sharedFs: string | undefined;
  let cache: string | undefined;
  for (const option of texts.flatMap((text) => text.split(','))) {
    const access = Object.hasOwn(ACCESS, option) ? ACCESS[option] : undefined;
    if (access !== undefined) readOnly = access;
    else if (option.startsWith(PROVIDER) && option !== PROVIDER) sharedFs = option.slice(PROVIDER.length);
    else if (option.startsWith(CACHE) && option !== CACHE) cache = option.slice(CACHE.length);
    else if (!MEANINGLESS.has(option))
      throw new Error(`unknown mount option ${JSON.stringify(option)}${nearest(option)}`);
  }
  return {
    readOnly,
    ...(cache === undefined ? {} : { cache }),
    ...(sharedFs === undefined ? {} : { sharedFs }),
  };
}

/** The type of a mount that is a share. */
export const SHARE_TYPE = 'virtiofs';

/** True for a type that was meant to be {@link SHARE_TYPE}: no file system of Linux has a name so close. */
export const isAlmostShareType = (type: string): boolean =>
  type !== SHARE_TYPE && closestMatch(type.toLowerCase(), [SHARE_TYPE], { maxDistance: 2 }) !== undefined;

function nearest(option: string): string {
  const word = option.toLowerCase().replace(/=.*$/s, '');
  const maxDistance = Math.min(2, Math.floor(word.length / 2));
  const meant = /^read.?only$/.test(word)
    ? 'ro'
    : closestMatch(word, [...Object.keys(ACCESS), CACHE, PROVIDER, ...MEANINGLESS], { maxDistance });
  return meant ? `; did you mean "${meant}"?` : ': use "ro", "rw", "cache=<mode>" and "shared_fs=<provider>"';
}
