import { constants } from 'node:os';
import type { Logger } from 'pino';
import type { DaemonExit } from '../daemon/daemon.ts';
import type { Share, ShareOwner, ShareRequest } from '../share/provider.ts';
import { messageOf } from '../errors.ts';
import type { Plugins } from './plugins.ts';

/** One share of a sandbox, as its creator names it. */
export type ShareSpec = Pick<ShareRequest, 'tag'> &
  Partial<Pick<ShareRequest, 'source' | 'readOnly' | 'sharedFs'>>;

/** What makes a sandbox. */
export interface SandboxRequest {
  readonly namespace: string;
  readonly sandboxId: string;
  readonly shares: readonly ShareSpec[];
  readonly owner: ShareOwner;
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
  request: SandboxRequest,
  {
    plugins,
    sharedFs,
    log,
    signal,
  }: { plugins: Plugins; sharedFs: string; log: Logger; signal?: AbortSignal | undefined },
): Promise<Sandbox> {
  const { namespace, sandboxId, owner } = request;
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
  let closing: Promise<void> | undefined;
  return {
    namespace,
    sandboxId,
    createdAt: new Date(),
    shares,
    ended,
    get exit() {
      return exit;
    },
    [Symbol.asyncDispose]: () => (closing ??= close()),
  };
}

/** A shell's convention: 128 and the signal's number; 255 where nothing is known. */
function statusOf({ exitCode, signal }: DaemonExit): number {
  if (exitCode !== undefined) return exitCode;
  return signal === undefined ? 255 : 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
}
