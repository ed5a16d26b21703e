import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import type { DaemonSpec } from '../daemon/spec.ts';
import { bootId } from '../proc/stat.ts';
import { systemStatus } from '../proc/system-error.ts';
import type { Share, ShareRequest } from './contract.ts';
import { daemonRecord } from './daemon-record.ts';
import { createDaemonShare } from './daemon-share.ts';
import { startOptions, type ShareContext } from './daemon-share-parts.ts';
import type { ExitPolicy } from './exit-policy.ts';
import { inShare } from './in-share.ts';
import { makeUnlessThere } from './make-directory.ts';
import { podNameOf } from './pod.ts';
import { requireOutsideState } from './outside-state.ts';
import { writeRecord, type ShareRecord } from './record.ts';
import { removeSource } from './remove-source.ts';
import { removeShareFiles } from './remove.ts';
import { resolveSource } from './resolve-source.ts';
import { makeScratch } from './scratch.ts';
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
  /** What follows when the daemon ends unasked. @default stop-sandbox */
  readonly onExit?: ExitPolicy | undefined;
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
  context: ShareContext,
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

async function open(context: ShareContext, request: ShareRequest, options: OpenShareOptions): Promise<Share> {
  const { stateDir, daemons } = context;
  const { sandboxId, tag, source } = request;
  const { signal, sourceTimeoutMs: timeoutMs } = options;
  requireInPlace(stateDir);
  await using undo = new AsyncDisposableStack();
  const files = stateDir.share(request.namespace, sandboxId, tag);
  stateDir.reserve.use(() => makeShareDirectory(files, request));
  undo.defer(() => removeShareFiles(files, stateDir));

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
  if (source === undefined) {
    await makeScratch(stateDir, paths.sharedDir);
    undo.defer(() => removeSource({ source: paths.sharedDir, mounts: [] }, stateDir));
  }
  const record = firstRecord(request, paths, options);
  stateDir.reserve.use(() => writeRecord(files, record));

  const spec = await inShare(tag, async () => ({
    ...options.daemon(paths),
    socketPath,
    outputPath: files.output,
  }));
  const daemon = undo.use(
    await inShare(tag, () => daemons.start(spec, { ...startOptions(context, record), signal })),
  );
  const complete = { ...record, daemon: daemonRecord(daemon) };
  stateDir.reserve.use(() => writeRecord(files, complete));
  undo.move();
  return createDaemonShare(context, { files, record: complete, daemon, adopted: false, traits: spec });
}

function makeShareDirectory({ directory }: ShareFiles, { tag, sandboxId }: ShareRequest): void {
  for (const parent of [dirname(dirname(directory)), dirname(directory)]) makeUnlessThere(parent);
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    const message = `Sandbox "${sandboxId}" already has a share "${tag}": delete it first`;
    throw new StatusError(Code.AlreadyExists, message, { cause });
  }
}

function firstRecord(
  request: ShareRequest,
  paths: SharePaths,
  { queueSize, onExit = 'stop-sandbox' }: OpenShareOptions,
): ShareRecord {
  const { namespace, sandboxId, tag, owner, outlivesHost, profile, sharedFs, readOnly, cache, pod } = request;
  return {
    namespace,
    sandboxId,
    tag,
    owner,
    outlivesHost,
    profile,
    ...(pod ? { pod: podNameOf(pod) } : {}),
    provider: sharedFs,
    source: paths.sharedDir,
    ...(request.source === undefined || request.source === paths.sharedDir
      ? {}
      : { requestedSource: request.source }),
    ownsSource: request.source === undefined,
    readOnly,
    ...(cache === undefined ? {} : { cache }),
    queueSize,
    socketPath: paths.socketPath,
    onExit,
    restarts: 0,
    bootId: boot,
    createdAt: request.createdAt.toISOString(),
    mounts: [],
  };
}
