import { constants } from 'node:os';
import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import type { DaemonExit } from '../daemon/daemon.ts';
import type { MountRequest, Share, ShareOwner, ShareRequest } from '../share/contract.ts';
import { messageOf } from '../errors.ts';
import { singleFlight } from '../async/single-flight.ts';
import type { Profile } from './profile.ts';

/** One share of a sandbox, as its creator names it. */
export type ShareSpec = Pick<ShareRequest, 'tag'> &
  Partial<Pick<ShareRequest, 'source' | 'readOnly' | 'sharedFs'>>;

/** What is in a sandbox. */
export interface SandboxContents {
  readonly shares: readonly ShareSpec[];
  /** @default the host's own configuration */
  readonly profile?: Profile | undefined;
}

/** What makes a sandbox. */
export interface SandboxRequest {
  readonly namespace: string;
  readonly sandboxId: string;
  readonly owner: ShareOwner;
  /** A function is called when the sandbox's id is taken, so that a deletion that overtakes it finds the sandbox. */
  readonly contents: SandboxContents | (() => Promise<SandboxContents>);
}

/** Why a sandbox ended. */
export interface SandboxExit {
  /** 0 when it was stopped or its VMM left, otherwise the failed daemon's status (128 + signal where a signal ended it). */
  readonly exitStatus: number;
  readonly exitedAt: Date;
  /** The share whose daemon failed. */
  readonly failed?: { readonly tag: string; readonly exit: DaemonExit } | undefined;
}

/** The shares of one sandbox. Disposal closes them all and waits until nothing of them is left. */
export interface Sandbox extends AsyncDisposable {
  readonly namespace: string;
  readonly sandboxId: string;
  readonly createdAt: Date;
  readonly shares: readonly Share[];
  /** @throws StatusError NotFound for an unknown tag, Unimplemented where its provider has no mounts */
  mount(tag: string, request: MountRequest): Promise<void>;
  /** @throws StatusError NotFound for an unknown tag, Unimplemented where its provider has no mounts */
  unmount(tag: string, mountpoint: string): Promise<void>;
  /** Resolves once: when it is closed, when one of its daemons failed, or when all of them have lost their VMM. */
  readonly ended: Promise<SandboxExit>;
  /** How it ended, once it has. */
  readonly exit: SandboxExit | undefined;
}

/**
 * Opens the shares of a sandbox through the plugins' `sandbox.create` hooks, all at once. When one fails or `signal`
 * aborts, those that were opened are closed again and the first failure is thrown.
 */
export async function openSandbox(
  request: SandboxRequest & SandboxContents,
  { profile, log, signal }: { profile: Profile; log: Logger; signal?: AbortSignal | undefined },
): Promise<Sandbox> {
  const { namespace, sandboxId, owner } = request;
  const { plugins, sharedFs } = profile;
  const opened: Share[] = [];
  let exit: SandboxExit | undefined;
  const { promise: ended, resolve } = Promise.withResolvers<SandboxExit>();
  const end = (outcome: Omit<SandboxExit, 'exitedAt'>): void => {
    exit ??= { ...outcome, exitedAt: new Date() };
    resolve(exit);
  };

  const close = async (): Promise<void> => {
    const results = await Promise.allSettled(
      opened.map((share) => plugins.call('sandbox.delete', share.sharedFs, { share })),
    );
    end({ exitStatus: 0 });
    const failures = results
      .filter((result) => result.status === 'rejected')
      .map(({ reason }) => reason as unknown);
    if (failures.length > 0)
      throw failures.length === 1
        ? failures[0]
        : new AggregateError(failures, failures.map(messageOf).join('; '));
  };

  const results = await Promise.allSettled(
    request.shares.map(async (spec) => {
      const kind = spec.sharedFs ?? sharedFs;
      const share = await plugins.call('sandbox.create', kind, {
        share: { namespace, sandboxId, owner, readOnly: false, ...spec, sharedFs: kind },
        signal,
      });
      opened.push(share);
      return share;
    }),
  );
  const failure = results.find((result) => result.status === 'rejected');
  if (failure || signal?.aborted) {
    await close().catch((error: unknown) =>
      log.error({ sandbox: sandboxId, err: error }, 'Cannot undo a failed create'),
    );
    throw failure ? failure.reason : signal?.reason;
  }

  const shares = results.map((result) => (result as PromiseFulfilledResult<Share>).value);
  const left = new Set(shares);
  for (const share of shares) {
    void share.closed.then((daemon) => {
      left.delete(share);
      if (daemon.reason === 'failed')
        end({ exitStatus: statusOf(daemon), failed: { tag: share.tag, exit: daemon } });
      else if (left.size === 0) end({ exitStatus: 0 });
    });
  }
  const callMount = async (hook: 'mount' | 'unmount', tag: string, mount: MountRequest): Promise<void> => {
    const share = shares.find((candidate) => candidate.tag === tag);
    if (!share) throw new StatusError(Code.NotFound, `Sandbox "${sandboxId}" has no share "${tag}"`);
    await plugins.call(hook, share.sharedFs, { ...mount, share });
  };
  return {
    namespace,
    sandboxId,
    createdAt: new Date(),
    shares,
    mount: (tag, mount) => callMount('mount', tag, mount),
    unmount: (tag, mountpoint) => callMount('unmount', tag, { source: '', mountpoint }),
    ended,
    get exit() {
      return exit;
    },
    [Symbol.asyncDispose]: singleFlight(close),
  };
}

/** A shell's convention: 128 and the signal's number; 255 where nothing is known. */
function statusOf({ exitCode, signal }: DaemonExit): number {
  if (exitCode !== undefined) return exitCode;
  return signal === undefined ? 255 : 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
}
