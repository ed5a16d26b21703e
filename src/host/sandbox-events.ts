import type { Logger } from 'pino';
import { Listeners } from '../async/listeners.ts';
import type { Sandbox } from './contract.ts';

/** What happened to a sandbox. */
export interface SandboxEvent {
  /** `created`: its creation is done; not told of one that another host had. `deleted`: the host has forgotten it. */
  readonly type: 'created' | 'ended' | 'deleted';
  readonly time: Date;
  readonly sandbox: Sandbox;
}

/** What happens to the sandboxes of a host, in order. */
export interface SandboxEvents {
  /** Calls the listener with all that happens from now on, at once and in turn, until disposal of what it returns. */
  subscribe(listener: (event: SandboxEvent) => void): Disposable;
}

/** Tells of an event. */
export type TellSandboxEvent = (type: SandboxEvent['type'], sandbox: Sandbox) => void;

/** Creates a host's source of its sandboxes' events, and what feeds it. */
export function createSandboxEvents({ log }: { log: Logger }): {
  events: SandboxEvents;
  tell: TellSandboxEvent;
} {
  const listeners = new Listeners<[SandboxEvent]>((error) =>
    log.error({ err: error }, "A listener to the events of the host's sandboxes failed"),
  );
  return {
    events: { subscribe: (listener) => listeners.add(listener) },
    tell: (type, sandbox) => listeners.call({ type, time: new Date(), sandbox }),
  };
}
