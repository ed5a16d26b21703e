import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { takeTurn } from '../../async/take-turn.ts';
import { adoptDaemon, type DaemonRecord } from '../adopt.ts';
import type { Daemon } from '../contract.ts';
import type { DaemonSpec, DaemonTraits } from '../spec.ts';
import { startDaemon, type BeforeSpawn } from '../start.ts';
import { createLauncher } from './launcher.ts';
import { createSlots } from './slots.ts';
import { openStarter } from './starter.ts';

/** The only way to a daemon. Disposal ends what was prepared for the next one; daemons that run stay. */
export interface Daemons extends AsyncDisposable {
  /**
   * Starts a daemon when it is its turn: two start at a time.
   *
   * @param options.group those that take turns with others, as the daemons of a sandbox do. @default this daemon alone
   * @param options.beforeSpawn is told of the daemon before anything of it runs. @default nobody is told
   * @param options.log takes the daemon's lines. @default the pool's
   * @throws what the spec's `program` throws; DaemonError when the process cannot be started, StatusError when the
   *   socket cannot be opened; the signal's reason where it aborts before
   */
  start(
    spec: DaemonSpec,
    options?: {
      group?: string;
      log?: Logger | undefined;
      signal?: AbortSignal | undefined;
      beforeSpawn?: BeforeSpawn | undefined;
    },
  ): Promise<Daemon>;
  /** Takes over a daemon that another host started; its `program` is what is on record. */
  adopt(record: DaemonRecord, spec: DaemonTraits, options?: { log?: Logger | undefined }): Promise<Daemon>;
  /** Aborts with the disposal: whoever would start a daemon by itself is to leave that to the next host. */
  readonly ending: AbortSignal;
}

/**
 * Creates a pool of daemons. A host has one; a program that wants a daemon without a host makes its own.
 *
 * @param options.socketDirectory where the sockets stand for which the next daemon is prepared
 * @param options.oomScoreAdj the daemons' score for the OOM killer (proc(5), oom_score_adj). @default this process's
 */
export function createDaemons({
  log,
  socketDirectory,
  oomScoreAdj,
}: {
  log: Logger;
  socketDirectory: string;
  oomScoreAdj?: number | undefined;
}): Daemons {
  const launcher = createLauncher(socketDirectory);
  const ending = new AbortController();
  const slots = createSlots(() => launcher.prepare());
  return {
    start: (spec, options = {}) =>
      startDaemon(spec, {
        log: options.log ?? log,
        signal: options.signal,
        beforeSpawn: options.beforeSpawn,
        oomScoreAdj,
        turn: (launch, { signal }) =>
          slots.run(
            async () => {
              // A fork is the longest step of all.
              await takeTurn();
              const directory = dirname(spec.socketPath);
              return launch(directory === socketDirectory ? launcher.take() : openStarter(directory));
            },
            { group: options.group ?? spec.socketPath, signal },
          ),
      }),
    adopt: (record, spec, options = {}) => adoptDaemon(record, { spec, log: options.log ?? log }),
    ending: ending.signal,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await launcher[Symbol.asyncDispose]();
    },
  };
}
