import { join } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import { MAX_TABLE_AGE_MS } from '../foreign/mount-that-can-hang.ts';
import { realpathForeign } from '../foreign/realpath.ts';
import { isDirectory, isFile, statForeign } from '../foreign/stat.ts';
import { bindMount } from '../mount/bind.ts';
import { removePlace } from '../mount/place.ts';
import { propagationOf } from '../mount/propagation.ts';
import { unmount } from '../mount/unmount.ts';
import { recentMounts } from '../proc/mountinfo.ts';
import { systemStatus } from '../proc/system-error.ts';
import type { MountOutcome, MountRequest, PluginMountOptions, Share, UnmountOutcome } from './contract.ts';
import { prepareStaging } from './mount-areas.ts';
import { requireOutsideState } from './outside-state.ts';
import type { StateDirectory } from './state-directory.ts';

/** How long a mount may take. */
interface Limits {
  readonly signal?: AbortSignal | undefined;
  /** In milliseconds. @default 10000 */
  readonly timeoutMs?: number | undefined;
}

/** What is known by `options` of a bind mount, and what each means. */
const KNOWN_OPTIONS: Readonly<Record<string, { readOnly?: boolean; isRecursive?: boolean }>> = {
  ro: { readOnly: true },
  rw: { readOnly: false },
  rbind: { isRecursive: true },
  bind: { isRecursive: false },
  private: {},
  rprivate: {},
};

/**
 * Mounts a directory or file of the host in a share that has a directory of the host's own: the guest sees it at once.
 * Read-only holds for all that is mounted beneath it too; what is mounted beneath its source later does not show up.
 *
 * @throws StatusError FailedPrecondition for a share with a source, or where its daemon could not see the mount;
 *   InvalidArgument for another type, option or mountpoint; NotFound for a missing source; AlreadyExists for a name that
 *   is in use or was; DeadlineExceeded where a file system hangs. Nothing is left then
 */
export async function mountBind(
  { stateDir }: { readonly stateDir: StateDirectory },
  share: Pick<Share, 'tag' | 'sharedDir'>,
  request: MountRequest,
  { formerMountpoints, ...limits }: PluginMountOptions & Limits,
): Promise<MountOutcome> {
  const { readOnly, isRecursive } = parseOptions(request);
  const target = placeOf(share, request.mountpoint);
  // What this host has mounted since is in it.
  const table = recentMounts(MAX_TABLE_AGE_MS);
  requireOwnDirectory(share, stateDir, table);
  if (formerMountpoints.has(request.mountpoint)) {
    const message = `"${request.mountpoint}" was mounted in share "${share.tag}" before, and its guest may know it yet: use another name`;
    throw new StatusError(Code.AlreadyExists, message);
  }
  const doing = `Cannot mount "${request.source}" in share "${share.tag}"`;
  let bytes: number | undefined;
  try {
    const source = await resolve(request.source, limits);
    bytes = source.bytes;
    requireOutsideState(source.path, stateDir);
    await prepareStaging(stateDir, table);
    const stage = stateDir.newStage();
    await bindMount(
      { source: source.path, isDirectory: source.isDirectory, isRecursive, readOnly, target, stage },
      limits,
    );
  } catch (error) {
    limits.signal?.throwIfAborted();
    if (StatusError.is(error))
      throw new StatusError(error.code, `${doing}: ${error.message}`, { cause: error });
    throw systemStatus(error, { doing, path: request.source }) ?? error;
  }
  const held = [isRecursive ? 'rbind' : 'bind', readOnly ? 'ro' : 'rw', 'rprivate'];
  return { kind: 'bind', options: held, bytes };
}

/**
 * Unmounts what {@link mountBind} has mounted; what is unmounted already is no error. A guest that uses it keeps what it
 * has open, and all of it where its cache mode keeps names: then only the end of the daemon takes it away.
 *
 * @throws StatusError InvalidArgument for another mountpoint, Unavailable where umount(8) fails, DeadlineExceeded
 */
export async function unmountBind(
  share: Pick<Share, 'tag' | 'sharedDir'>,
  mountpoint: string,
  limits: Limits,
): Promise<UnmountOutcome> {
  const target = placeOf(share, mountpoint);
  const { isInUse } = await unmount(target, limits);
  removePlace(target);
  return { guestMayHoldIt: isInUse };
}

function parseOptions({ type = 'bind', options = [] }: MountRequest): {
  readOnly: boolean;
  isRecursive: boolean;
} {
  if (type !== 'bind') {
    const message = `A virtio-fs share mounts no "${type}": use "bind", or another shared_fs`;
    throw new StatusError(Code.InvalidArgument, message);
  }
  const meanings = options.map((option) => {
    const meaning = KNOWN_OPTIONS[option];
    if (meaning) return meaning;
    const message = `A bind mount has no option "${option}": use ${Object.keys(KNOWN_OPTIONS).join(', ')}`;
    throw new StatusError(Code.InvalidArgument, message);
  });
  return Object.assign({ readOnly: false, isRecursive: true }, ...meanings) as {
    readOnly: boolean;
    isRecursive: boolean;
  };
}

/** The path of a mountpoint: one name below the directory of a share, as a deeper path could lead through a link of the guest. */
export function placeOf({ sharedDir }: Pick<Share, 'sharedDir'>, mountpoint: string): string {
  const name = mountpoint.slice(1);
  // oxlint-disable-next-line no-control-regex -- they are refused
  const isName = /^\/[^/\u0000-\u001F\u007F]+$/.test(mountpoint) && name !== '.' && name !== '..';
  if (isName && Buffer.byteLength(name) <= 255) return join(sharedDir, name);
  const message = `Invalid mountpoint ${JSON.stringify(mountpoint)}: use "/" and one name, as "/data"`;
  throw new StatusError(Code.InvalidArgument, message);
}

function requireOwnDirectory(
  { tag, sharedDir }: Pick<Share, 'tag' | 'sharedDir'>,
  stateDir: StateDirectory,
  table: string,
): void {
  if (!stateDir.ownsSharedDirectory(sharedDir)) {
    const message = `Share "${tag}" serves "${sharedDir}" itself, where a mount would be everybody's: open a share without a source to mount into`;
    throw new StatusError(Code.FailedPrecondition, message);
  }
  if (propagationOf(sharedDir, table) === 'shared') return;
  const message = `The daemon of share "${tag}" would not see a mount in "${sharedDir}", which is on a private mount: run the host as root, and open the share again`;
  throw new StatusError(Code.FailedPrecondition, message);
}

/** How many bytes a directory has, nobody knows who has not read all of it. */
async function resolve(
  path: string,
  limits: Limits,
): Promise<{ path: string; isDirectory: boolean; bytes: number | undefined }> {
  if (!path.startsWith('/'))
    throw new StatusError(
      Code.InvalidArgument,
      `Invalid source ${JSON.stringify(path)}: use an absolute path`,
    );
  const resolved = await realpathForeign(path, limits);
  const found = await statForeign(resolved, limits);
  if (isDirectory(found)) return { path: resolved, isDirectory: true, bytes: undefined };
  if (isFile(found)) return { path: resolved, isDirectory: false, bytes: found.size };
  throw new StatusError(Code.InvalidArgument, 'it is neither a directory nor a regular file');
}
