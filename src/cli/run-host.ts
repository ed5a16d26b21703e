import { once } from 'node:events';
import { closeSync, writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import { loadConfig, parseConfig } from '../config/read.ts';
import { messageOf } from '../errors.ts';
import { openHost, type Host, type HostOptions } from '../host/host.ts';
import { closeInherited } from '../proc/close-inherited.ts';
import { RELEASE } from '../package.ts';
import { takePassedSockets } from '../proc/passed-sockets.ts';
import { untilIdle } from '../services/idle.ts';
import type { TakeOverOptions } from '../services/hand-over/ask-former.ts';
import { createSuccession } from '../services/hand-over/take-over.ts';
import { serve, type Serving } from '../services/serve.ts';
import { openHostLog } from './host-log.ts';
import { keepProgram } from './keep-program.ts';
import { notifyReady } from './notify-ready.ts';
import { heedSignals } from './signals.ts';
import { survive } from './survive.ts';

/** Where a host tells its address: standard output is the log's, and anything may print there. */
export const ANNOUNCE_FD = 3;

/** How the command `serve` runs. */
export interface RunHostOptions extends Pick<HostOptions, 'config' | 'state'> {
  /** Tell the address on {@link ANNOUNCE_FD}, for the shim's `start`, which waits for it. */
  readonly announce: boolean;
  /** End after so long without sandboxes, in milliseconds. */
  readonly idleTimeoutMs: number | undefined;
  /** How another host's state directory is taken over. @default a host that has it is left alone */
  readonly takeOver: Omit<TakeOverOptions, 'signal'> | undefined;
}

/** Why a host ends. */
interface End {
  readonly reason: string | undefined;
  readonly lost?: StatusError;
}

/**
 * Runs a host until SIGINT or SIGTERM, or until it is idle, or has handed over to another one, or until another host has
 * taken its state directory unasked: resolves to that reason then. Its shares stay.
 */
export async function runHost(options: RunHostOptions): Promise<StatusError | undefined> {
  const { config, state, announce, idleTimeoutMs, takeOver } = options;
  const passed = takePassedSockets();
  closeInherited({ except: [...(announce ? [ANNOUNCE_FD] : []), ...passed.map(({ fd }) => fd)] });
  const ending = new AbortController();
  const told = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const readLevel = async (): Promise<string> =>
    (typeof config === 'string' ? await loadConfig(config, { state }) : parseConfig(config, { state })).log
      .level;
  using log = await openHostLog(readLevel);
  using _ = survive(log.logger);
  await using stack = new AsyncDisposableStack();
  using signals = heedSignals(log);
  await using succession = takeOver && createSuccession({ ...takeOver, signal: abortWhen(told) });
  const host = await openHost({
    config,
    state,
    shares: 'outlive-process',
    log: log.logger,
    takeOver: succession?.takeOver,
  });
  signals.diagnose(host);
  stack.defer(() => host.detach());
  const handedOver = Promise.withResolvers<void>();
  const onHandedOver = (): void => handedOver.resolve();
  const serving = stack.use(await serve(host, { receptions: succession?.handOn(), passed, onHandedOver }));
  if (announce) announceAddress(serving.address);
  if (RELEASE !== undefined) tryToKeep(RELEASE, host.log);
  await succession?.[Symbol.asyncDispose]();
  await notifyReady(host.log);
  // By itself Node.js keeps what it has compiled at the end of a process, which may be killed.
  flushCompileCache();

  const idle = watchIdle({ host, serving }, { timeoutMs: idleTimeoutMs, signal: ending.signal });
  const { reason, lost } = await Promise.race([
    told.then(([signal]: string[]): End => ({ reason: signal })),
    handedOver.promise.then((): End => ({ reason: 'handed over' })),
    host.lost.then((why): End => ({ reason: 'lost', lost: why })),
    ...(idle ? [idle.then((): End => ({ reason: 'idle' }))] : []),
  ]);
  ending.abort();
  host.log.info({ reason, sandboxes: host.sandboxes.list().length }, 'Ending; shares stay');
  await stack.disposeAsync();
  // The lock on starts goes last: a start that waits for it must not find this host.
  await (await idle)?.[Symbol.asyncDispose]();
  return lost;
}

/** Whoever is told to end does not take over first. */
function abortWhen(told: Promise<unknown>): AbortSignal {
  const controller = new AbortController();
  const message = 'Told to end before the other host let go, which goes on';
  void told.then(() => controller.abort(new StatusError(Code.Canceled, message)));
  return controller.signal;
}

/** The end of idle waiting, where it has one. */
function watchIdle(
  { host, serving }: { host: Host; serving: Serving },
  { timeoutMs, signal }: { timeoutMs: number | undefined; signal: AbortSignal },
): Promise<AsyncDisposable | undefined> | undefined {
  if (timeoutMs === undefined) return undefined;
  return untilIdle({ host, serving }, { timeoutMs, signal }).catch((error: unknown) => {
    if (!signal.aborted) host.log.error({ err: error }, 'Cannot tell whether this host is idle');
    return undefined;
  });
}

/** A host that serves goes on without. */
function tryToKeep(release: string, log: Logger): void {
  try {
    keepProgram(release);
  } catch (error) {
    const message =
      "Cannot keep this program's files open: restart this host after an upgrade of its package, which takes from it what it has not loaded";
    log.warn({ err: messageOf(error) }, message);
  }
}

/** Whoever waits for the address waits for the end of this descriptor too. */
function announceAddress(address: string): void {
  writeSync(ANNOUNCE_FD, `${address}\n`);
  closeSync(ANNOUNCE_FD);
}
