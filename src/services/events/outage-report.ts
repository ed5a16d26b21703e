import type { Logger } from 'pino';

/** Logs what becomes of events: a line when an outage begins, one when all is well again, one for a series of refusals. */
export interface OutageReport {
  /** containerd was not reached. */
  failed(address: string, reason: string): void;
  /** The oldest event was dropped. */
  lost(): void;
  refused(topic: string, reason: string): void;
  taken(): void;
  /** No event waits any more. */
  caughtUp(address: string): void;
}

/** Creates one. */
export function createOutageReport(log: Logger): OutageReport {
  let isAway = false;
  let isRefusing = false;
  let lost = 0;
  return {
    failed(address, reason) {
      if (!isAway) log.warn({ address, reason }, 'containerd takes no events; they wait for it');
      isAway = true;
    },
    lost: () => void lost++,
    refused(topic, reason) {
      if (!isRefusing) log.warn({ topic, reason }, 'containerd refused an event');
      isRefusing = true;
    },
    taken: () => void (isRefusing = false),
    caughtUp(address) {
      if (isAway || lost > 0) log.info({ address, lost }, 'containerd has taken the events that waited');
      isAway = false;
      lost = 0;
    },
  };
}
