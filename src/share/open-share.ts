import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import { singleFlight } from '../async/single-flight.ts';
import type { Daemon } from '../daemon/daemon.ts';
import type { DaemonSpec } from '../daemon/spec.ts';
import { DaemonError, messageOf } from '../errors.ts';
import { bootId } from '../proc/stat.ts';
import { systemStatus } from '../proc/system-error.ts';
import type { PluginContext, Share, ShareRequest } from './contract.ts';
import { requireOutsideState } from './outside-state.ts';
import { writeRecord, type ShareRecord } from './record.ts';
import { removeShareFiles } from './remove.ts';
import { resolveSource } from './resolve-source.ts';
import { makeScratch, releaseScratch } from './scratch.ts';
import { requireInPlace, type ShareFiles } from './state-directory.ts';

/** The paths that a share's daemon uses. */
export interface SharePaths {
  readonly socketPath: string;
  /** For a daemon that has an API: name it in the spec. */
  readonly apiSocketPath: string;
  readonly sharedDir: string;
}

/** How {@link openShare} gets its daemon. */
export interface OpenShareOptions {
  /** Entries of the request queue. */
  readonly queueSize: number;
  /** Describes the daemon that serves these paths. */
  readonly daemon: (paths: SharePaths) => Omit<DaemonSpec, 'socketPath' | 'outputPath'>;
  readonly signal?: AbortSignal | undefined;
  /** How long the source's file system may take to answer, in milliseconds. @default 5000 */
  readonly sourceTimeoutMs?: number | undefined;
}

const boot = bootId();

/**
 * Opens a share that one daemon serves: makes its socket's name and directory, records it before the spawn and after, starts the daemon.
 * What was made is undone when a later step fails; a second share of the same tag in a sandbox is refused.
 *
 * @throws StatusError AlreadyExists for a tag in use; whatever the start of the daemon throws, with the share's name
 *   before it
 */
export async function openShare(
  context: OpenShareContext,
  request: ShareRequest,
  options: OpenShareOptions,
): Promise<Share> {
  try {
    return await open(context, request, options);
  } catch (error) {
    const doing = `Cannot open share "${request.tag}"`;
    throw systemStatus(error, { doing, path: context.stateDir.path }) ?? error;
  }
}

type OpenShareContext = Pick<PluginContext, 'stateDir' | 'daemons' | 'trash' | 'log'>;

async function open(
  context: OpenShareContext,
  request: ShareRequest,
  options: OpenShareOptions,
): Promise<Share> {
  const { stateDir, daemons, trash } = context;
  const { sandboxId, tag, source } = request;
  const { signal, sourceTimeoutMs: timeoutMs } = options;
  requireInPlace(stateDir);
  await using undo = new AsyncDisposableStack();
  const files = stateDir.share(request.namespace, sandboxId, tag);
  stateDir.reserve.use(() => makeShareDirectory(files, request));
  undo.defer(() => removeShareFiles(files, trash));

  const socketPath = stateDir.newSocketPath();
  const paths = {
    socketPath,
    apiSocketPath: stateDir.apiSocketOf(socketPath),
    sharedDir:
      source === undefined
        ? stateDir.newSharedDirectory()
        : await inShare(tag, () => resolveSource(source, { signal, timeoutMs })),
  };
  if (source !== undefined) await inShare(tag, async () => requireOutsideState(paths.sharedDir, stateDir));
  const ownsSource = source === undefined;
  const removeOwned = async (): Promise<void> => {
    await releaseScratch(paths.sharedDir);
    trash.remove(paths.sharedDir);
  };
  if (ownsSource) {
    await makeScratch(stateDir, paths.sharedDir);
    undo.defer(removeOwned);
  }
  const record = firstRecord(request, paths, options.queueSize);
  stateDir.reserve.use(() => writeRecord(files, record));

  const spec = await inShare(tag, async () => ({
    ...options.daemon(paths),
    socketPath,
    outputPath: files.output,
  }));
  const daemon = undo.use(
    await inShare(tag, () =>
      daemons.start(spec, {
        group: `${request.namespace}/${sandboxId}`,
        log: context.log.child({ sandbox: sandboxId, share: tag }),
        signal,
      }),
    ),
  );
  stateDir.reserve.use(() => writeRecord(files, withDaemon(record, daemon)));
  undo.move();
  const close = async (): Promise<void> => {
    await daemon.stop();
    if (ownsSource) await removeOwned();
    // Last, so that what could not be removed stays on record.
    if (stateDir.isInPlace()) removeShareFiles(files, trash);
  };
  const { apiSocketPath } = spec;
  const places = {
    socketPath,
    ...(apiSocketPath === undefined ? {} : { apiSocketPath }),
    sharedDir: paths.sharedDir,
  };
  return createShare({ tag, places, queueSize: options.queueSize, daemon, close: singleFlight(close) });
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

function firstRecord(request: ShareRequest, paths: SharePaths, queueSize: number): ShareRecord {
  const { namespace, sandboxId, tag, owner, profile, sharedFs, readOnly } = request;
  return {
    namespace,
    sandboxId,
    tag,
    owner,
    profile,
    provider: sharedFs,
    source: paths.sharedDir,
    ...(request.source === undefined || request.source === paths.sharedDir
      ? {}
      : { requestedSource: request.source }),
    ownsSource: request.source === undefined,
    readOnly,
    queueSize,
    socketPath: paths.socketPath,
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
  places: Pick<Share, 'socketPath' | 'apiSocketPath' | 'sharedDir'>;
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
    throw systemStatus(error, { doing: `Cannot start share "${tag}"` }) ?? error;
  }
}
