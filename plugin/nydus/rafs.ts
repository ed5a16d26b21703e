import { existsSync } from 'node:fs';
import {
  abortable,
  Code,
  isFile,
  statForeign,
  StatusError,
  type CallOptions,
  type MountOutcome,
  type MountRequest,
  type Share,
  type UnmountOutcome,
} from 'containerd-shim-virtiofs/plugin';
import { createApi, type NydusApi } from './api-client.ts';
import { readImageData, UNKNOWN_DATA } from './bootstrap.ts';
import type { NydusConfig } from './config.ts';
import { registryOf, withCredentials } from './credentials.ts';
import type { Images, MountedImage } from './images.ts';
import { NYDUS_OVERLAY, parseNydusOverlay } from './overlay-option.ts';
import { digestOf, isSameImage } from './same-image.ts';
import { mayHoldSecrets } from './secrets.ts';

/** Kata's place for an image, the container's id within it as containerd has ids, and `+`; never `..`. */
const MOUNTPOINT = /^\/rafs\/[A-Za-z0-9][A-Za-z0-9._+-]{0,127}\/lowerdir$/;

/** A share of this plugin, and what is mounted in it. */
export interface ShareWithImages {
  readonly share: Share;
  readonly images: Images;
}

type Settings = Pick<NydusConfig, 'mountTimeoutMs' | 'registryAuthFile' | 'registryAuthEnv'>;

/** How a RAFS mount is called. */
export const KIND = 'rafs';
/** What holds of each. */
const OPTIONS = ['ro'];

/**
 * Mounts an image in a share. The same image at the same mountpoint once more is no error.
 *
 * @throws StatusError InvalidArgument for another mountpoint or a configuration that is none, NotFound where the image's
 *   bootstrap is missing, AlreadyExists where another image is mounted there, DeadlineExceeded where nydusd is too slow
 */
export async function mountRafs(
  { share, images }: ShareWithImages,
  request: MountRequest,
  { signal, ...settings }: Settings & CallOptions,
): Promise<MountOutcome> {
  const { mountpoint } = request;
  requireMountpoint(mountpoint);
  const { source, config } = imageOf(request);
  // One that hangs would hang the only thread of nydusd's API.
  const limits = { signal, timeoutMs: settings.mountTimeoutMs };
  const isRegular = await requireBootstrap(source, limits);
  const image = { source, config: await withCredentials(config, settings) };
  const { bytes, blobIds } = isRegular ? await readImageData(source, limits) : UNKNOWN_DATA;
  const mounted = { madeOf: digestOf(source, config), source, blobIds, registry: registryOf(config) };
  return withLimit(`mount "${source}" at "${mountpoint}"`, settings, { signal }, async (options) => {
    await abortable(share.ready, options.signal);
    await abortable(images.undoings.get(mountpoint) ?? Promise.resolve(), options.signal);
    await put(
      { api: apiOf(share), images },
      { mountpoint, image, mounted, asked: { source, config } },
      options,
    );
    const outcome = { kind: KIND, options: OPTIONS, source, bytes };
    return mayHoldSecrets(config) ? outcome : { ...outcome, recipe: { source, config } };
  });
}

interface Put {
  readonly mountpoint: string;
  readonly image: Parameters<NydusApi['mountImage']>[1];
  readonly mounted: MountedImage;
  /** The same without the operator's credentials. */
  readonly asked: Parameters<typeof isSameImage>[1];
}

async function put(
  { api, images }: { readonly api: NydusApi; readonly images: Images },
  { mountpoint, image, mounted, asked }: Put,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  const known = images.find(mountpoint);
  if (known) {
    if (await api.mountImage(mountpoint, image, options)) images.add(mountpoint, mounted);
    else if (!isSameImage(known, asked)) throw occupied(mountpoint);
    return;
  }
  // Before it is: nydusd may say what is wrong with it before it answers.
  const forget = images.add(mountpoint, mounted);
  try {
    if (await api.mountImage(mountpoint, image, options)) return;
    // Another host gave it up, or died before it was made: which image it is, nobody knows, and nobody was told of it.
    await api.unmount(mountpoint, options);
    await api.mountImage(mountpoint, image, options);
  } catch (error) {
    if (options.signal.aborted)
      images.undoings.set(mountpoint, takeBack({ api, images }, mountpoint, forget));
    else forget();
    throw error;
  }
}

/** nydusd makes a mount that was given up nevertheless, and does what it is asked for after that. Never rejects. */
async function takeBack(
  { api, images }: { readonly api: NydusApi; readonly images: Images },
  mountpoint: string,
  forget: () => void,
): Promise<void> {
  try {
    await api.unmount(mountpoint, { isBackground: true });
    forget();
  } catch {
    // While it stays on the list, no other image passes for it.
  } finally {
    images.undoings.delete(mountpoint);
  }
}

/** Unmounts an image; where none is mounted, that is no error. @throws as {@link mountRafs} does */
export async function unmountRafs(
  { share, images }: ShareWithImages,
  mountpoint: string,
  { signal, ...settings }: Pick<Settings, 'mountTimeoutMs'> & CallOptions,
): Promise<UnmountOutcome> {
  requireMountpoint(mountpoint);
  return withLimit(`unmount "${mountpoint}"`, settings, { signal }, async (options) => {
    await abortable(share.ready, options.signal);
    const api = apiOf(share);
    await api.unmount(mountpoint, options);
    images.remove(mountpoint);
    // nydusd removes it when its VMM comes: while it is there, nobody can have looked.
    if (existsSync(share.socketPath)) return { guestMayHoldIt: false };
    // It counts on for what is unmounted, so that nobody can have looked in between.
    const readings = await api.readings(mountpoint, options);
    if (!readings) return { guestMayHoldIt: true };
    const { isTouched, ...counted } = readings;
    return { guestMayHoldIt: isTouched, ...counted };
  });
}

function requireMountpoint(mountpoint: string): void {
  if (MOUNTPOINT.test(mountpoint)) return;
  const message = `Invalid mountpoint ${JSON.stringify(mountpoint)}: use "/rafs/<container>/lowerdir"`;
  throw new StatusError(Code.InvalidArgument, message);
}

function imageOf(request: MountRequest): { source: string; config: string } {
  if (request.type === NYDUS_OVERLAY) return parseNydusOverlay(request.options ?? []);
  const { source, config, type } = request;
  if (type !== undefined && type !== KIND) {
    const message = `nydusd mounts no "${type}": use "rafs" or "${NYDUS_OVERLAY}"`;
    throw new StatusError(Code.InvalidArgument, message);
  }
  if (config !== undefined) return { source, config };
  const message = `The mount of "${source}" has no configuration: name the backend that has the image's blobs`;
  throw new StatusError(Code.InvalidArgument, message);
}

/** @returns whether it is a file: of what is none, nydusd says why it cannot mount it */
async function requireBootstrap(
  source: string,
  options: { signal: AbortSignal | undefined; timeoutMs: number },
): Promise<boolean> {
  if (!source.startsWith('/')) {
    const message = `Invalid bootstrap ${JSON.stringify(source)}: use an absolute path`;
    throw new StatusError(Code.InvalidArgument, message);
  }
  try {
    return isFile(await statForeign(source, options));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    const message = `Bootstrap "${source}" does not exist: name the image's metadata file`;
    throw new StatusError(Code.NotFound, message, { cause });
  }
}

/** Whoever waited in vain cannot know whether nydusd does it later. */
async function withLimit<T>(
  doing: string,
  { mountTimeoutMs }: Pick<Settings, 'mountTimeoutMs'>,
  { signal }: CallOptions,
  action: (options: { signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const limit = AbortSignal.timeout(mountTimeoutMs);
  try {
    return await action({ signal: signal ? AbortSignal.any([signal, limit]) : limit });
  } catch (cause) {
    if (cause !== limit.reason) throw cause;
    const message =
      `nydusd did not ${doing} within ${mountTimeoutMs} ms: a slow registry may hold it up, and it may still do so ` +
      'later; try again, or raise nydus_mount_timeout_ms';
    throw new StatusError(Code.DeadlineExceeded, message, { cause });
  }
}

function occupied(mountpoint: string): StatusError {
  const message = `Another image is mounted at "${mountpoint}": unmount it first`;
  return new StatusError(Code.AlreadyExists, message);
}

function apiOf({ tag, apiSocketPath }: Share): NydusApi {
  if (apiSocketPath !== undefined) return createApi(apiSocketPath);
  throw new StatusError(Code.Internal, `Share "${tag}" has no API socket: it is not one of nydusd`);
}
