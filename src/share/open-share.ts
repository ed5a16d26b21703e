import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import { singleFlight } from '../async/single-flight.ts';
import type { Daemon } from '../daemon/daemon.ts';
import type { DaemonSpec } from '../daemon/spec.ts';
import { DaemonError, messageOf } from '../errors.ts';
import { removeTree } from '../mount/remove-tree.ts';
import { bootId } from '../proc/stat.ts';
import type { PluginContext, Share, ShareRequest } from './contract.ts';
import { writeRecord, type ShareRecord } from './record.ts';
import { removeShareFiles } from './remove.ts';
import { makeScratch, releaseScratch } from './scratch.ts';
import type { ShareFiles } from './state-directory.ts';

/** The places that a share's daemon uses. */
export interface SharePlaces {
  readonly socketPath: string;
  readonly sharedDir: string;
}

/** How {@link openShare} gets its daemon. */
export interface OpenShareOptions {
  /** Entries of the request queue. */
  readonly queueSize: number;
  /** Describes the daemon that serves these places. */
  readonly daemon: (places: SharePlaces) => Omit<DaemonSpec, 'socketPath' | 'outputPath'>;
  readonly signal?: AbortSignal | undefined;
}

const boot = bootId();

/**
 * Opens a share that one daemon serves: makes its places, records it before the spawn and after, starts the daemon.
 * What was made is undone when a later step fails; a second share of the same tag in a sandbox is refused.
 *
 * @throws StatusError AlreadyExists for a tag in use; whatever the start of the daemon throws, with the share's name
 *   before it
 */
export async function openShare(
  context: Pick<PluginContext, 'stateDir' | 'daemons' | 'log'>,
  request: ShareRequest,
  options: OpenShareOptions,
): Promise<Share> {
  const { stateDir, daemons } = context;
  const { sandboxId, tag } = request;
  await using undo = new AsyncDisposableStack();
  const files = stateDir.share(request.namespace, sandboxId, tag);
  stateDir.reserve.use(() => makeShareDirectory(files, request));
  undo.defer(() => removeShareFiles(files));

  const places = {
    socketPath: stateDir.newSocketPath(),
    sharedDir: request.source ?? stateDir.newSharedDirectory(),
  };
  const ownsSource = request.source === undefined;
  if (ownsSource) {
    await makeScratch(stateDir, places.sharedDir);
    undo.defer(() => removeOwned(places.sharedDir));
  }
  const record = firstRecord(request, places, options.queueSize);
  stateDir.reserve.use(() => writeRecord(files, record));

  const daemon = undo.use(
    await inShare(tag, async () =>
      daemons.start(
        { ...options.daemon(places), socketPath: places.socketPath, outputPath: files.output },
        { log: context.log.child({ sandbox: sandboxId, share: tag }), signal: options.signal },
      ),
    ),
  );
  stateDir.reserve.use(() => writeRecord(files, withDaemon(record, daemon)));
  undo.move();
  const close = async (): Promise<void> => {
    await daemon.stop();
    if (ownsSource) await removeOwned(places.sharedDir);
    // Last, so that what could not be removed stays on record.
    removeShareFiles(files);
  };
  return createShare({ tag, places, queueSize: options.queueSize, daemon, close: singleFlight(close) });
}

async function removeOwned(directory: string): Promise<void> {
  await releaseScratch(directory);
  await removeTree(directory);
}

function makeShareDirectory({ directory }: ShareFiles, { tag, sandboxId }: ShareRequest): void {
  mkdirSync(dirname(directory), { recursive: true, mode: 0o700 });
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    const message = `Sandbox "${sandboxId}" already has a share "${tag}": delete it first`;
    throw new StatusError(Code.AlreadyExists, message, { cause });
  }
}

function firstRecord(request: ShareRequest, places: SharePlaces, queueSize: number): ShareRecord {
  const { namespace, sandboxId, tag, owner, profile, sharedFs, readOnly } = request;
  return {
    namespace,
    sandboxId,
    tag,
    owner,
    profile,
    provider: sharedFs,
    source: places.sharedDir,
    ownsSource: request.source === undefined,
    readOnly,
    queueSize,
    socketPath: places.socketPath,
    bootId: boot,
    createdAt: new Date().toISOString(),
    mounts: [],
  };
}

function withDaemon(record: ShareRecord, { identity, program, startedBy: span }: Daemon): ShareRecord {
  const { command, args, version } = program;
  return {
    ...record,
    daemon: {
      ...identity,
      startedAt: new Date().toISOString(),
      command,
      args: [...args],
      ...(version === undefined ? {} : { version }),
      ...(span
        ? { startSpan: { traceId: span.traceId, spanId: span.spanId, traceFlags: span.traceFlags } }
        : {}),
    },
  };
}

function createShare(parts: {
  tag: string;
  places: SharePlaces;
  queueSize: number;
  daemon: Daemon;
  close: () => Promise<void>;
}): Share {
  const { tag, places, queueSize, daemon, close } = parts;
  const { pid } = daemon.identity;
  const ready = inShare(tag, () => daemon.ready);
  ready.catch(() => {});
  return {
    tag,
    ...places,
    queueSize,
    pid,
    ready,
    closed: daemon.exited,
    status: () => ({
      tag,
      state: daemon.state,
      pid,
      ...places,
      queueSize,
      lastLines: [...daemon.lastLines],
    }),
    [Symbol.asyncDispose]: close,
  };
}

/** Names the share in an error from below, and keeps its code, exit status and output. */
async function inShare<T>(tag: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const message = `Cannot start share "${tag}": ${messageOf(error)}`;
    if (error instanceof DaemonError) {
      const { exit, lastLines, code } = error;
      throw new DaemonError(message, { exit, lastLines, code, cause: error });
    }
    if (StatusError.is(error)) throw new StatusError(error.code, message, { cause: error });
    throw error;
  }
}
