import type { SpanContext } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { ExitStatus } from '../errors.ts';
import { awaitFilterKill, type FilterKill } from '../proc/kernel-kills.ts';
import { holdsFile } from '../proc/holds-file.ts';
import type { ProcessIdentity } from '../proc/stat.ts';
import { countMemoryKills } from '../proc/memory-kills.ts';
import { explainExit, isMysterious } from './cause.ts';
import { watchForClient } from './client-watch.ts';
import type { DaemonEnd, DaemonExit, EndMeaning } from './exit.ts';
import { openOutput, type Output } from './output.ts';
import type { DaemonProcess } from './process.ts';
import { watchReadiness, type ReadinessWatch } from './readiness.ts';
import { exitError, reportQuit } from './report-quit.ts';
import { spanOf } from './span-of.ts';
import type { DaemonSpec, Program } from './spec.ts';
import { terminate } from './terminate.ts';

/** `starting` until it waits for its VMM, `connected` from the VMM's coming to its going. */
export type DaemonState = 'starting' | 'waiting' | 'connected' | 'stopping' | 'exited';

/** One running daemon. Disposal stops it and waits until it is gone. */
export interface Daemon extends AsyncDisposable {
  readonly identity: ProcessIdentity;
  /** What it executes. */
  readonly program: Program;
  readonly socketPath: string;
  readonly state: DaemonState;
  readonly lastLines: readonly string[];
  /** The span that started it, for what ends later. */
  readonly startedBy: SpanContext | undefined;
  /** Resolves when the daemon waits for its VMM; rejects with a DaemonError where it never will. */
  readonly ready: Promise<void>;
  /** How it ended, once it has. */
  readonly exit: DaemonExit | undefined;
  /** Resolves exactly once, when the process is gone and its socket removed. */
  readonly exited: Promise<DaemonExit>;
  /** SIGTERM, grace, SIGKILL, and waits until it is gone. Idempotent. */
  stop(): Promise<DaemonExit>;
}

/** What a daemon is made of. */
export interface DaemonParts {
  readonly spec: DaemonSpec;
  readonly program: Program;
  readonly process: DaemonProcess;
  readonly log: Logger;
  readonly startedBy: SpanContext | undefined;
  /** Removes the vhost-user socket. */
  readonly removeSocket: () => void;
  /** What the kernel knows of its VMM, where the daemon has not said that it came. @default nothing */
  readonly hasClient?: () => boolean;
}

/** The life of a daemon as a state machine over a process and its end; follows its output from now on. */
export function superviseDaemon(parts: DaemonParts): Daemon {
  return new SupervisedDaemon(parts);
}

class SupervisedDaemon implements Daemon {
  readonly identity: ProcessIdentity;
  readonly program: Program;
  readonly socketPath: string;
  readonly startedBy: SpanContext | undefined;
  readonly exited: Promise<DaemonExit>;
  readonly #parts: DaemonParts;
  readonly #output: Output;
  readonly #readiness: ReadinessWatch;
  readonly #startedAt = performance.now();
  readonly #memoryKillsBefore = countMemoryKills();
  #state: DaemonState = 'starting';
  #exit: DaemonExit | undefined;
  #clientWatch: Disposable | undefined;
  #isGivenUp = false;

  constructor(parts: DaemonParts) {
    const { spec, process, program } = parts;
    this.#parts = parts;
    this.identity = process.identity;
    this.program = program;
    this.socketPath = spec.socketPath;
    this.startedBy = parts.startedBy;
    this.#output = openOutput(spec.outputPath, (line) => this.#onLine(line), {
      onPolling: (why) => parts.log.warn({ path: spec.outputPath }, `Reading output now and then: ${why}`),
    });
    this.#readiness = watchReadiness(spec, () => this.#onWaiting(), {
      lastLines: () => [...this.#output.lastLines],
      isSilent: () => !holdsFile(this.identity.pid, this.#output.fd),
    });
    this.exited = process.ended.then((status) => this.#onEnd(status));
  }

  get state(): DaemonState {
    return this.#state;
  }

  get lastLines(): readonly string[] {
    return this.#output.lastLines;
  }

  get exit(): DaemonExit | undefined {
    return this.#exit;
  }

  get ready(): Promise<void> {
    return this.#readiness.promise;
  }

  async stop(): Promise<DaemonExit> {
    if (this.#state === 'exited' || this.#state === 'stopping') return this.exited;
    this.#state = 'stopping';
    this.#clientWatch?.[Symbol.dispose]();
    const { spec, log } = this.#parts;
    const attributes = { 'process.pid': this.identity.pid };
    const kill = (): Promise<void> =>
      terminate(this.identity, { timeoutMs: spec.stopTimeoutMs, exited: this.exited, log });
    await spanOf(spec, 'stop', attributes, () => spanOf(spec, 'kill', attributes, kill), {
      startedBy: this.startedBy,
    });
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #onLine(line: string): void {
    const { spec, log } = this.#parts;
    log[spec.levelOf?.(line) ?? 'info']({ source: spec.name, pid: this.identity.pid }, line);
    this.#readiness.onLine(line);
    if (!spec.connectedLine?.test(line)) return;
    this.#readiness.reached();
    this.#onConnected();
  }

  #onWaiting(): void {
    if (this.#state !== 'starting') return;
    this.#state = 'waiting';
    const { spec, log, hasClient = () => false } = this.#parts;
    this.#clientWatch = watchForClient(spec, {
      log,
      pid: this.identity.pid,
      hasClient,
      onClient: () => this.#onConnected(),
      onGivenUp: () => {
        this.#isGivenUp = true;
        void this.stop();
      },
    });
  }

  #onConnected(): void {
    this.#clientWatch?.[Symbol.dispose]();
    if (this.#state === 'waiting') this.#state = 'connected';
  }

  /** Where the plugin cannot, its daemon has ended all the same. */
  #explain(end: DaemonEnd): EndMeaning {
    const { spec, log } = this.#parts;
    try {
      if (spec.explainEnd) return spec.explainEnd(end);
    } catch (error) {
      log.error({ pid: this.identity.pid, err: error }, `Cannot explain the end of ${spec.name}`);
    }
    return explainEnd(end);
  }

  #onEnd(status: ExitStatus): DaemonExit | Promise<DaemonExit> {
    const { spec } = this.#parts;
    this.#output.drain({ final: true });
    const end = { ...status, lastLines: [...this.#output.lastLines] };
    const meaning = this.#explain(end);
    const known = {
      spec,
      pid: this.identity.pid,
      command: this.program.command,
      asked: this.#isGivenUp ? 'no-client' : this.#state === 'stopping' ? 'stopped' : undefined,
      isStarting: this.#state === 'starting',
      memoryKills: countMemoryKills() - this.#memoryKillsBefore,
      uptimeMs: performance.now() - this.#startedAt,
    } as const;
    this.#state = 'exited';
    this.#clientWatch?.[Symbol.dispose]();
    const conclude = (filterKill?: FilterKill): DaemonExit =>
      this.#conclude(explainExit(end, meaning, { ...known, filterKill }));
    const isClear = known.asked !== undefined || known.isStarting || !isMysterious(end, meaning);
    if (isClear) return conclude();
    return awaitFilterKill(known.command).then(conclude);
  }

  #conclude(exit: DaemonExit): DaemonExit {
    const { spec, log, removeSocket } = this.#parts;
    this.#exit = exit;
    this.#output[Symbol.dispose]();
    try {
      removeSocket();
    } catch (error) {
      log.error({ path: spec.socketPath, err: error }, 'Cannot remove the socket of a daemon that has ended');
    }
    this.#readiness.failed(exitError(exit));
    void reportQuit(exit, { spec, log, startedBy: this.startedBy, pid: this.identity.pid });
    return exit;
  }
}

const explainEnd = ({ exitCode, signal, lastLines }: DaemonEnd): EndMeaning => ({
  cause: exitCode === 0 ? 'disconnected' : 'failed',
  words: signal === undefined ? lastLines.at(-1) : undefined,
});
