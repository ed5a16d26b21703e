import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import type { DaemonExit } from '../daemon/daemon.ts';
import type { Share } from '../share/contract.ts';
import type { StateDirectory } from '../share/state-directory.ts';
import { withAttributes } from '../tracing/span.ts';
import type { Profile } from './profile.ts';
import { openSandbox, type Sandbox, type SandboxRequest, type ShareSpec } from './sandbox.ts';

/** A daemon that ended without being asked to. */
export interface Quit {
  readonly sandbox: Sandbox;
  readonly share: Share;
  readonly exit: DaemonExit;
}

/** The sandboxes of a host, one at most of each namespace and id. Disposal closes them all. */
export interface Sandboxes extends AsyncDisposable {
  /** @throws StatusError AlreadyExists; what a plugin's hook throws */
  create(request: SandboxRequest, options?: { signal?: AbortSignal | undefined }): Promise<Sandbox>;
  /** @throws StatusError NotFound */
  get(namespace: string, sandboxId: string): Sandbox;
  /** Cancels a sandbox's creation or closes its shares, then forgets it; an unknown one is no error. */
  delete(namespace: string, sandboxId: string): Promise<void>;
  /** How many there are, those that are being created included. */
  readonly size: number;
  /** Those whose creation is done. */
  list(): readonly Sandbox[];
  /** Refuses further ones and cancels those in creation; those whose creation is done stay alive. */
  detach(): Promise<void>;
}

interface Entry {
  readonly request: SandboxRequest;
  readonly creation: Promise<Sandbox>;
  readonly cancel: AbortController;
  /** Aborts when its creation is cancelled, by whomever. */
  readonly signal: AbortSignal;
  sandbox?: Sandbox;
}

/** Creates the table of a host's sandboxes. */
export function createSandboxes(parts: {
  profile: Profile;
  stateDir: StateDirectory;
  log: Logger;
  onQuit: ((quit: Quit) => void) | undefined;
}): Sandboxes {
  const { stateDir, log, onQuit } = parts;
  const entries = new Map<string, Entry>();
  let isClosed = false;

  const create: Sandboxes['create'] = async (request, { signal } = {}) => {
    if (isClosed)
      throw new StatusError(Code.Unavailable, 'The host is ending: create the sandbox on the next one');
    const { namespace, sandboxId } = request;
    const key = stateDir.sandboxDirectory(namespace, sandboxId);
    const former = entries.get(key);
    if (wasDeletedOnDisk(former, key) || wasAbandoned(former)) await remove(namespace, sandboxId);
    if (entries.has(key)) {
      throw new StatusError(Code.AlreadyExists, `Sandbox "${sandboxId}" exists: delete it first`);
    }
    const cancel = new AbortController();
    const both = signal ? AbortSignal.any([signal, cancel.signal]) : cancel.signal;
    const creation = withAttributes(attributesOf(request), async () => {
      const { contents } = request;
      const { shares, profile } = typeof contents === 'function' ? await contents() : contents;
      for (const share of shares) checkShare(stateDir, request, share);
      both.throwIfAborted();
      return openSandbox({ ...request, shares }, { profile: profile ?? parts.profile, log, signal: both });
    });
    const entry: Entry = { request, creation, cancel, signal: both };
    entries.set(key, entry);
    try {
      entry.sandbox = await creation;
    } catch (error) {
      entries.delete(key);
      throw error;
    }
    watch(entry.sandbox, (quit) => {
      try {
        onQuit?.(quit);
      } catch (error) {
        log.error({ sandbox: sandboxId, err: error }, 'The quit callback failed');
      }
      if (!wasDeletedOnDisk(entry, key)) return;
      log.info({ sandbox: sandboxId }, 'The sandbox was deleted behind our back; forgetting it');
      void remove(namespace, sandboxId).catch(() => {});
    });
    return entry.sandbox;
  };

  const remove: Sandboxes['delete'] = async (namespace, sandboxId) => {
    const key = stateDir.sandboxDirectory(namespace, sandboxId);
    const entry = entries.get(key);
    if (!entry) return;
    entry.cancel.abort(
      new StatusError(Code.Canceled, `Sandbox "${sandboxId}" was deleted while it was being created`),
    );
    const sandbox = await entry.creation.catch(() => undefined);
    await withAttributes(attributesOf(entry.request), async () => sandbox?.[Symbol.asyncDispose]());
    if (entries.get(key) === entry) entries.delete(key);
  };

  return {
    create,
    delete: remove,
    get(namespace, sandboxId) {
      const sandbox = entries.get(stateDir.sandboxDirectory(namespace, sandboxId))?.sandbox;
      if (sandbox) return sandbox;
      throw new StatusError(Code.NotFound, `No sandbox "${sandboxId}" in namespace "${namespace}"`);
    },
    get size() {
      return entries.size;
    },
    list: () => [...entries.values()].flatMap(({ sandbox }) => sandbox ?? []),
    async detach() {
      isClosed = true;
      const unfinished = [...entries.values()].filter(({ sandbox }) => !sandbox);
      for (const { cancel } of unfinished)
        cancel.abort(new StatusError(Code.Unavailable, 'The host is ending'));
      await Promise.allSettled(unfinished.map(({ creation }) => creation));
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      const requests = [...entries.values()].map(({ request }) => request);
      const results = await Promise.allSettled(
        requests.map(({ namespace, sandboxId }) => remove(namespace, sandboxId)),
      );
      for (const result of results) {
        if (result.status === 'rejected')
          log.error({ err: result.reason as unknown }, 'Cannot close a sandbox');
      }
    },
  };
}

/** The shim's `delete` ends a sandbox by its records alone, whether its host lives or not, and says so first. */
const wasDeletedOnDisk = (entry: Entry | undefined, directory: string): boolean =>
  entry?.sandbox !== undefined &&
  entry.sandbox.shares.length > 0 &&
  (!existsSync(directory) || existsSync(join(directory, 'deleted')));

/** Nobody waits for its creation any more; what was made of it is being closed. */
const wasAbandoned = (entry: Entry | undefined): boolean =>
  entry !== undefined && !entry.sandbox && entry.signal.aborted;

/** Refuses names that are no names before any plugin makes paths of them. */
function checkShare(
  stateDir: StateDirectory,
  { namespace, sandboxId }: SandboxRequest,
  { tag, source }: ShareSpec,
): void {
  stateDir.shareDirectory(namespace, sandboxId, tag);
  if (!source || isAbsolute(source)) return;
  throw new StatusError(
    Code.InvalidArgument,
    `Share "${tag}" has a relative source "${source}": use an absolute path`,
  );
}

const attributesOf = ({ namespace, sandboxId }: SandboxRequest): Record<string, string> => ({
  'sandbox.id': sandboxId,
  'containerd.namespace': namespace,
});

function watch(sandbox: Sandbox, onQuit: (quit: Quit) => void): void {
  for (const share of sandbox.shares) {
    void share.closed.then((exit) => {
      if (exit.reason !== 'stopped') onQuit({ sandbox, share, exit });
    });
  }
}
