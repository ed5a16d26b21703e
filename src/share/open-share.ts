import { mkdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import type { Daemon } from '../daemon/daemon.ts';
import type { Launcher } from '../daemon/pool/launcher.ts';
import { bootId } from '../proc/stat.ts';
import { DaemonError, messageOf } from '../errors.ts';
import { removeTree } from '../mount/remove-tree.ts';
import { activeSpanContext } from '../tracing/span.ts';
import { singleFlight } from '../async/single-flight.ts';
import type { PluginContext, Share, ShareRequest } from './contract.ts';
import { RECORD_FILE, writeRecord, type ShareRecord } from './record.ts';

/** The places that a share's daemon uses. */
export interface SharePlaces {
  readonly socketPath: string;
  readonly sharedDir: string;
  readonly outputPath: string;
  /** Has a process ready that can become the daemon. */
  readonly launcher?: Launcher | undefined;
}

/** How {@link openDaemonShare} gets its daemon. */
export interface DaemonShareOptions {
  readonly queueSize: number;
  readonly start: (places: SharePlaces) => Promise<Daemon>;
  /** Ends the wait for a slot in which to start; `start` has to heed it by itself. */
  readonly signal?: AbortSignal | undefined;
}

const boot = bootId();

/**
 * Opens a share that one daemon serves: makes its places, records it before the spawn and after, starts the daemon.
 * What was made is undone when a later step fails; a second share of the same tag in a sandbox is refused.
 *
 * @throws StatusError AlreadyExists for a tag in use; whatever `start` throws, with the share's name before it
 */
export async function openDaemonShare(
  context: PluginContext,
  request: ShareRequest,
  { queueSize, start, signal }: DaemonShareOptions,
): Promise<Share> {
  const { stateDir, daemons } = context;
  await using undo = new AsyncDisposableStack();
  const directory = makeShareDirectory(
    stateDir.shareDirectory(request.namespace, request.sandboxId, request.tag),
    request,
  );
  undo.defer(() => removeShareDirectory(directory));

  const ownsSource = request.source === undefined;
  const sharedDir = request.source ?? stateDir.newSharedDirectory();
  if (ownsSource) {
    mkdirSync(sharedDir, { mode: 0o755 });
    undo.defer(() => removeTree(sharedDir));
  }
  const places = {
    socketPath: stateDir.newSocketPath(),
    sharedDir,
    outputPath: join(directory, 'daemon.log'),
  };
  const record: ShareRecord = {
    owner: request.owner,
    sharedFs: request.sharedFs,
    tag: request.tag,
    source: sharedDir,
    ownsSource,
    socketPath: places.socketPath,
    bootId: boot,
  };
  writeRecord(directory, record);

  const daemon = await daemons(async (launcher) => start({ ...places, launcher }), { signal }).catch(
    (error: unknown) => {
      throw inShare(request.tag, error);
    },
  );
  undo.use(daemon);
  const span = activeSpanContext();
  writeRecord(directory, {
    ...record,
    ...daemon.identity,
    ...(span
      ? { startSpan: { traceId: span.traceId, spanId: span.spanId, traceFlags: span.traceFlags } }
      : {}),
  });
  undo.move();
  const close = async (): Promise<void> => {
    await daemon.stop();
    if (ownsSource) await removeTree(sharedDir);
    // Last, so that what could not be removed stays on record.
    removeShareDirectory(directory);
  };
  return createShare({ request, places, queueSize, daemon, close: singleFlight(close) });
}

function createShare(parts: {
  request: ShareRequest;
  places: Pick<SharePlaces, 'socketPath' | 'sharedDir'>;
  queueSize: number;
  daemon: Daemon;
  close: () => Promise<void>;
}): Share {
  const { request, places, queueSize, daemon, close } = parts;
  const { socketPath, sharedDir } = places;
  const { tag } = request;
  const ready = daemon.ready.catch((error: unknown) => {
    throw inShare(tag, error);
  });
  ready.catch(() => {});
  return {
    tag,
    sharedFs: request.sharedFs,
    socketPath,
    sharedDir,
    queueSize,
    pid: daemon.identity.pid,
    ready,
    closed: daemon.exited,
    status: () => ({
      tag,
      state: daemon.state,
      pid: daemon.identity.pid,
      socketPath,
      sharedDir,
      queueSize,
      lastLines: [...daemon.lastLines],
    }),
    mount: () => noMounts('Mount', request.sharedFs),
    unmount: () => noMounts('Unmount', request.sharedFs),
    [Symbol.asyncDispose]: close,
  };
}

const noMounts = (operation: string, sharedFs: string): Promise<never> =>
  Promise.reject(
    new StatusError(Code.Unimplemented, `${operation} is not implemented for "${sharedFs}" shares`),
  );

function makeShareDirectory(directory: string, { tag, sandboxId }: ShareRequest): string {
  mkdirSync(dirname(directory), { recursive: true, mode: 0o700 });
  try {
    mkdirSync(directory, { mode: 0o700 });
    return directory;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    const message = `Sandbox "${sandboxId}" already has a share "${tag}": delete it first`;
    throw new StatusError(Code.AlreadyExists, message, { cause });
  }
}

/** Removes a share's files, and its sandbox's and namespace's directories when it was the last in them. */
function removeShareDirectory(directory: string): void {
  for (const name of [RECORD_FILE, `${RECORD_FILE}.new`, 'daemon.log'])
    rmSync(join(directory, name), { force: true });
  for (const path of [directory, dirname(directory), dirname(dirname(directory))]) {
    try {
      rmdirSync(path);
    } catch {
      return;
    }
  }
}

/** Names the share in an error from below, and keeps its code, exit status and output. */
function inShare(tag: string, error: unknown): StatusError {
  const message = `Cannot start share "${tag}": ${messageOf(error)}`;
  if (error instanceof DaemonError) {
    return new DaemonError(message, {
      exit: error.exit,
      lastLines: error.lastLines,
      code: error.code,
      cause: error,
    });
  }
  if (StatusError.is(error)) return new StatusError(error.code, message, { cause: error });
  throw error;
}
