import type { SpanContext } from '@opentelemetry/api';
import type { ProcessIdentity } from '../proc/stat.ts';
import type { DaemonExit } from './exit.ts';
import type { Program } from './spec.ts';

/** `starting` until it waits for its VMM, `connected` from the VMM's coming to its going. */
export type DaemonState = 'starting' | 'waiting' | 'connected' | 'stopping' | 'exited';

/** One running daemon. Disposal stops it and waits until it is gone. */
export interface Daemon extends AsyncDisposable {
  readonly identity: ProcessIdentity;
  /** What it executes. */
  readonly program: Program;
  readonly socketPath: string;
  /** What the socket was bound to, by which the kernel knows it. */
  readonly boundPath: string;
  /** The socket of its API, where it has one. */
  readonly apiSocketPath: string | undefined;
  readonly state: DaemonState;
  /** True once a VMM has come, also when that has left; undefined where nobody can tell. */
  readonly hadClient: boolean | undefined;
  readonly lastLines: readonly string[];
  /** The span that started it, for what ends later. */
  readonly startedBy: SpanContext | undefined;
  /** Resolves when the daemon waits for its VMM; rejects with a DaemonError where it never will. */
  readonly ready: Promise<void>;
  /** How it ended, once it has. */
  readonly exit: DaemonExit | undefined;
  /** Resolves exactly once, when the process is gone and its socket removed. */
  readonly exited: Promise<DaemonExit>;
  /** Calls the listener after each change of `state`, until disposal of what it returns. */
  onChange(listener: () => void): Disposable;
  /** SIGTERM, grace, SIGKILL, and waits until it is gone. Idempotent. */
  stop(): Promise<DaemonExit>;
}
