import type { SpanContext } from '@opentelemetry/api';
import { fstatSync } from 'node:fs';
import { Listeners } from '../async/listeners.ts';
import { takeTurn } from '../async/take-turn.ts';
import type { ExitStatus } from '../errors.ts';
import { awaitFilterKill, type FilterKill } from '../proc/kernel-kills.ts';
import { holdsFile } from '../proc/holds-file.ts';
import type { ProcessIdentity } from '../proc/stat.ts';
import { watchMemoryKills } from '../proc/memory-kills.ts';
import { isConnected } from '../proc/unix-sockets.ts';
import { explainExit, explainPlainly, isMysterious, type Circumstances } from './cause.ts';
import { watchForClient } from './client-watch.ts';
import { watchConnection, type ConnectionWatch } from './connection-watch.ts';
import type { Daemon, DaemonState } from './contract.ts';
import type { DaemonParts } from './daemon-parts.ts';
import type { DaemonEnd, DaemonExit, EndMeaning } from './exit.ts';
import { openOutput, type Output } from './output.ts';
import { maskLine, passOn } from './pass-on.ts';
import { watchReadiness, type ReadinessWatch } from './readiness.ts';
import { exitError, reportQuit } from './report-quit.ts';
import { spanOf } from './span-of.ts';
import { removeSocket } from './socket.ts';
import type { Program } from './spec.ts';
import { terminate } from './terminate.ts';

/** The life of a daemon as a state machine over a process and its end; follows its output from now on. */
export function superviseDaemon(parts: DaemonParts): Daemon {
  return new SupervisedDaemon(parts);
}

class SupervisedDaemon implements Daemon {
  readonly identity: ProcessIdentity;
  readonly program: Program;
  readonly socketPath: string;
  readonly boundPath: string;
  readonly apiSocketPath: string | undefined;
  readonly startedBy: SpanContext | undefined;
  readonly exited: Promise<DaemonExit>;
  readonly #parts: DaemonParts;
  readonly #output: Output;
  readonly #readiness: ReadinessWatch;
  readonly #startedAt: number;
  readonly #memoryKills = watchMemoryKills();
  readonly #listeners: Listeners<[]>;
  #state: DaemonState = 'starting';
  #exit: DaemonExit | undefined;
  #clientWatch: Disposable | undefined;
  #hadClient: boolean | undefined;
  #connectionWatch: ConnectionWatch | undefined;
  /** Why this process ends it, where nobody has asked for that. */
  #givenUp: 'no-client' | 'disconnected' | undefined;

  constructor(parts: DaemonParts) {
    const { spec, process, program, past, log } = parts;
    this.#parts = parts;
    this.#startedAt = performance.now() - (past ? Date.now() - past.startedAt.getTime() : 0);
    this.#listeners = new Listeners((error) => log.error({ err: error }, 'A listener to a daemon failed'));
    this.identity = process.identity;
    this.program = program;
    this.socketPath = spec.socketPath;
    this.boundPath = parts.boundPath;
    this.apiSocketPath = spec.apiSocketPath;
    this.startedBy = parts.startedBy;
    this.#hadClient = spec.connectedLine || spec.servesOneClient ? false : undefined;
    const formerLines: string[] = [];
    this.#output = openOutput(spec.outputPath, (line) => this.#onLine(line), {
      onPolling: (why) => log.warn({ path: spec.outputPath }, `Reading output now and then: ${why}`),
      mask: (line) => maskLine(line, parts),
      onFormerLine: past && ((line) => void formerLines.push(line)),
    });
    this.#readiness = watchReadiness(spec, () => this.#onWaiting(), {
      lastLines: () => [...this.#output.lastLines],
      isSilent: () => holdsFile(this.identity.pid, fstatSync(this.#output.fd)) === false,
    });
    for (const line of formerLines) this.#understand(line);
    if (past?.hadClient) this.#onClient();
    this.exited = process.ended.then(async (status) => {
      await takeTurn();
      return this.#onEnd(status);
    });
  }

  get state(): DaemonState {
    return this.#state;
  }

  get hadClient(): boolean | undefined {
    return this.#hadClient;
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

  onChange(listener: () => void): Disposable {
    return this.#listeners.add(listener);
  }

  async stop(): Promise<DaemonExit> {
    if (this.#state === 'exited' || this.#state === 'stopping') return this.exited;
    this.#become('stopping');
    this.#watchNoMore();
    const { spec, log, process } = this.#parts;
    process.expectEnd();
    const attributes = { 'process.pid': this.identity.pid };
    const kill = (): Promise<void> =>
      terminate(this.identity, { timeoutMs: spec.stopTimeoutMs, exited: process.ended, log });
    const end = async (): Promise<DaemonExit> => {
      await spanOf(spec, 'kill', attributes, kill);
      return this.exited;
    };
    return spanOf(spec, 'stop', attributes, end, { startedBy: this.startedBy });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #become(state: DaemonState): void {
    this.#state = state;
    this.#listeners.call();
  }

  #onLine(line: string): void {
    passOn(line, this.#parts);
    this.#understand(line);
  }

  #understand(line: string): void {
    this.#readiness.onLine(line);
    if (this.#parts.spec.connectedLine?.test(line)) this.#onClient();
  }

  #onClient(): void {
    this.#readiness.reached();
    this.#onConnected();
  }

  #onWaiting(): void {
    if (this.#state !== 'starting') return;
    this.#become('waiting');
    const { spec, log, boundPath } = this.#parts;
    this.#clientWatch = watchForClient(spec, {
      log,
      pid: this.identity.pid,
      hasClient: () => this.#connectionWatch?.hasClient() ?? isConnected(boundPath),
      onClient: () => this.#onConnected(),
      onGivenUp: () => this.#giveUp('no-client'),
    });
    if (!spec.servesOneClient) return;
    this.#connectionWatch = watchConnection({
      identity: this.identity,
      boundPath,
      hadClient: () => this.#hadClient === true || spec.hadClient?.() === true,
      onClient: () => this.#onConnected(),
      onLeft: () => this.#giveUp('disconnected'),
    });
  }

  #giveUp(why: 'no-client' | 'disconnected'): void {
    this.#givenUp = why;
    void this.stop();
  }

  #watchNoMore(): void {
    this.#clientWatch?.[Symbol.dispose]();
    this.#connectionWatch?.[Symbol.dispose]();
  }

  #onConnected(): void {
    this.#clientWatch?.[Symbol.dispose]();
    this.#hadClient = true;
    if (this.#state === 'waiting') this.#become('connected');
  }

  /** Where the plugin cannot, its daemon has ended all the same. */
  #explain(end: DaemonEnd): EndMeaning {
    const { spec, log } = this.#parts;
    try {
      if (spec.explainEnd) return spec.explainEnd(end);
    } catch (error) {
      log.error({ pid: this.identity.pid, err: error }, `Cannot explain the end of ${spec.name}`);
    }
    return explainPlainly(end);
  }

  #onEnd(status: ExitStatus): DaemonExit | Promise<DaemonExit> {
    this.#output.drain({ final: true });
    const { spec, past } = this.#parts;
    const recalled = past?.end;
    // Of one whose end was seen before, the sockets are gone.
    if (!recalled && this.#hadClient !== true && spec.hadClient) this.#hadClient = spec.hadClient();
    const end = { ...status, lastLines: [...this.#output.lastLines] };
    const known = this.#circumstances();
    this.#become('exited');
    this.#watchNoMore();
    if (recalled)
      return this.#conclude({
        ...end,
        ...recalled,
        exitedAt: new Date(recalled.exitedAt),
        uptimeMs: known.uptimeMs,
      });
    const meaning = this.#explain(end);
    const conclude = (filterKill?: FilterKill): DaemonExit =>
      this.#conclude(explainExit(end, meaning, { ...known, filterKill }));
    const isClear = known.asked !== undefined || known.isStarting || !isMysterious(end, meaning);
    return isClear ? conclude() : awaitFilterKill(known.command).then(conclude);
  }

  #circumstances(): Circumstances {
    return {
      spec: this.#parts.spec,
      pid: this.identity.pid,
      command: this.program.command,
      asked: this.#givenUp ?? (this.#state === 'stopping' ? 'stopped' : undefined),
      isStarting: this.#state === 'starting',
      memoryKills: this.#memoryKills(),
      uptimeMs: performance.now() - this.#startedAt,
    };
  }

  #conclude(exit: DaemonExit): DaemonExit {
    const { spec, log } = this.#parts;
    this.#exit = exit;
    this.#output[Symbol.dispose]();
    try {
      this.#parts.removeSocket();
      if (this.apiSocketPath !== undefined) removeSocket(this.apiSocketPath, undefined);
    } catch (error) {
      log.error({ path: spec.socketPath, err: error }, 'Cannot remove the socket of a daemon that has ended');
    }
    this.#readiness.failed(exitError(exit));
    const { startedBy, identity } = this;
    if (!this.#parts.past?.end) void reportQuit(exit, { spec, log, startedBy, pid: identity.pid });
    return exit;
  }
}
