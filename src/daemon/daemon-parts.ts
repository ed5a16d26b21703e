import type { SpanContext } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { EndDescription } from './exit.ts';
import type { DaemonProcess } from './process.ts';
import type { DaemonTraits, Program } from './spec.ts';

/** What a daemon is made of. */
export interface DaemonParts {
  readonly spec: DaemonTraits;
  readonly program: Program;
  readonly process: DaemonProcess;
  readonly log: Logger;
  readonly startedBy: SpanContext | undefined;
  /** Removes the vhost-user socket. */
  readonly removeSocket: () => void;
  /** What the socket was bound to, by which the kernel knows it. */
  readonly boundPath: string;
  /** What is known of it, where another host started it. */
  readonly past?: DaemonPast | undefined;
}

/** What a daemon did under another host. */
export interface DaemonPast {
  readonly startedAt: Date;
  /** True where its VMM had come. */
  readonly hadClient: boolean;
  /** How it ended, where that was seen, and reported. */
  readonly end?: EndDescription | undefined;
}
