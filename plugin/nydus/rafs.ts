import { createHash } from 'node:crypto';
import {
  abortable,
  Code,
  statForeign,
  StatusError,
  type CallOptions,
  type MountOutcome,
  type MountRequest,
  type Share,
} from 'containerd-shim-virtiofs/plugin';
import { createApi, type NydusApi } from './api-client.ts';
import type { NydusConfig } from './config.ts';
import { withCredentials } from './credentials.ts';
import { NYDUS_OVERLAY, parseNydusOverlay } from './overlay-option.ts';
import { mayHoldSecrets } from './secrets.ts';

/** Kata's place for an image, the container's id within it as containerd has ids, and `+`; never `..`. */
const MOUNTPOINT = /^\/rafs\/[A-Za-z0-9][A-Za-z0-9._+-]{0,127}\/lowerdir$/;

type Settings = Pick<NydusConfig, 'mountTimeoutMs' | 'registryAuthFile' | 'registryAuthEnv'>;

/** What this process has mounted, by share and mountpoint: what it was made of. */
const mounted = new WeakMap<Share, Map<string, string>>();

/**
 * Mounts an image in a share. The same image at the same mountpoint once more is no error.
 *
 * @throws StatusError InvalidArgument for another mountpoint or a configuration that is none, NotFound where the image's
 *   bootstrap is missing, AlreadyExists where another image is mounted there, DeadlineExceeded where nydusd is too slow
 */
export async function mountRafs(
  share: Share,
  request: MountRequest,
  { signal, ...settings }: Settings & CallOptions,
): Promise<MountOutcome> {
  const { mountpoint } = request;
  requireMountpoint(mountpoint);
  const { source, config } = imageOf(request);
  // One that hangs would hang the only thread of nydusd's API.
  await requireBootstrap(source, { signal, timeoutMs: settings.mountTimeoutMs });
  const image = { source, config: await withCredentials(config, settings) };
  const madeOf = createHash('sha256').update(`${source}\0${config}`).digest('hex');
  await withLimit(`mount "${source}" at "${mountpoint}"`, settings, { signal }, async (options) => {
    await abortable(share.ready, options.signal);
    const known = mounted.get(share) ?? new Map<string, string>();
    const isNew = await apiOf(share).mountImage(mountpoint, image, options);
    if (!isNew && (known.get(mountpoint) ?? madeOf) !== madeOf) throw occupied(mountpoint);
    mounted.set(share, known.set(mountpoint, madeOf));
  });
  // What a snapshotter gives as options holds the configuration.
  const outcome = { kind: 'rafs', options: ['ro'] };
  return mayHoldSecrets(config) ? outcome : { ...outcome, recipe: { source, config } };
}

/** Unmounts an image; where none is mounted, that is no error. @throws as {@link mountRafs} does */
export async function unmountRafs(
  share: Share,
  mountpoint: string,
  { signal, ...settings }: Pick<Settings, 'mountTimeoutMs'> & CallOptions,
): Promise<void> {
  requireMountpoint(mountpoint);
  await withLimit(`unmount "${mountpoint}"`, settings, { signal }, async (options) => {
    await abortable(share.ready, options.signal);
    await apiOf(share).unmount(mountpoint, options);
    mounted.get(share)?.delete(mountpoint);
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
  if (type !== undefined && type !== 'rafs') {
    const message = `nydusd mounts no "${type}": use "rafs" or "${NYDUS_OVERLAY}"`;
    throw new StatusError(Code.InvalidArgument, message);
  }
  if (config !== undefined) return { source, config };
  const message = `The mount of "${source}" has no configuration: name the backend that has the image's blobs`;
  throw new StatusError(Code.InvalidArgument, message);
}

async function requireBootstrap(
  source: string,
  options: { signal: AbortSignal | undefined; timeoutMs: number },
): Promise<void> {
  if (!source.startsWith('/')) {
    const message = `Invalid bootstrap ${JSON.stringify(source)}: use an absolute path`;
    throw new StatusError(Code.InvalidArgument, message);
  }
  try {
    await statForeign(source, options);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    const message = `Bootstrap "${source}" does not exist: name the image's metadata file`;
    throw new StatusError(Code.NotFound, message, { cause });
  }
}

/** Whoever waited in vain cannot know whether nydusd does it later. */
async function withLimit(
  doing: string,
  { mountTimeoutMs }: Pick<Settings, 'mountTimeoutMs'>,
  { signal }: CallOptions,
  action: (options: { signal: AbortSignal }) => Promise<void>,
): Promise<void> {
  const limit = AbortSignal.timeout(mountTimeoutMs);
  try {
    await action({ signal: signal ? AbortSignal.any([signal, limit]) : limit });
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
