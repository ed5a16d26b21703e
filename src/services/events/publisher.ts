import type { Logger } from 'pino';
import { Code, createClient, StatusError, type Client, type Transport } from 'ttrpc-ts';
import { within } from '../../async/within.ts';
import { messageOf } from '../../errors.ts';
import { Events } from '../../proto/containerd/events_pb.ts';
import { dial } from './dial.ts';
import type { Envelope } from './envelope.ts';
import { createOutageReport } from './outage-report.ts';

/** How many events wait for a containerd that is away; of more, the oldest are dropped. */
export const MAX_WAITING_EVENTS = 4096;
/** From the first to the last wait before containerd is tried again, in milliseconds; each is twice the one before. */
const RETRY_MS = { first: 100, last: 5000 } as const;
/** How long those who subscribe have to be there again after containerd was away: it keeps no event for them. */
const SETTLE_MS = 1000;
/** How long a disposal waits for what a living containerd has not taken yet, in milliseconds. */
const FLUSH_MS = 2000;

/** Publishes events by containerd, in order. Nothing waits for it, and nothing that befalls it reaches a caller. */
export interface Publisher extends AsyncDisposable {
  publish(envelope: Envelope): void;
  /** Tries at once, because containerd may be reached by now. */
  wake(): void;
}

/** What says nothing against an event. */
const PASSING: ReadonlySet<Code> = new Set([Code.Unavailable, Code.Canceled, Code.DeadlineExceeded]);

/** What a publisher needs. */
export interface PublisherParts {
  /** containerd's ttrpc socket as it is known now; undefined keeps the events until it is. */
  readonly address: () => string | undefined;
  readonly log: Logger;
}

/** Creates a publisher; it connects when there is something to publish. */
export const createPublisher = (parts: PublisherParts): Publisher => new EventPublisher(parts);

interface Connection {
  readonly address: string;
  readonly transport: Transport;
  readonly client: Client<typeof Events>;
}

class EventPublisher implements Publisher {
  readonly #parts: PublisherParts;
  readonly #report: ReturnType<typeof createOutageReport>;
  readonly #waiting: Envelope[] = [];
  readonly #ending = new AbortController();
  #connection: Connection | undefined;
  #retryMs = 0;
  #isSending = false;
  #sending: Promise<void> | undefined;
  #wake: (() => void) | undefined;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
    this.#report = createOutageReport(parts.log);
  }

  publish(envelope: Envelope): void {
    this.#waiting.push(envelope);
    this.#dropOldest();
    this.#start();
  }

  wake(): void {
    this.#retryMs = 0;
    this.#wake?.();
    this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const isReached = this.#connection !== undefined && this.#retryMs === 0;
    if (isReached && this.#isSending && this.#sending)
      await within(FLUSH_MS, this.#sending, late).catch(() => {});
    this.#ending.abort();
    this.#wake?.();
    await this.#connection?.transport.close();
    await this.#sending;
    // Where it was being made.
    await this.#connection?.transport.close();
  }

  #dropOldest(): void {
    if (this.#waiting.length <= MAX_WAITING_EVENTS) return;
    this.#waiting.shift();
    this.#report.lost();
  }

  #start(): void {
    if (this.#isSending) return;
    this.#isSending = true;
    this.#sending = this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    const { signal } = this.#ending;
    for (;;) {
      const address = this.#parts.address();
      const next = address === undefined || signal.aborted ? undefined : this.#waiting.shift();
      if (address === undefined || next === undefined) return this.#rest();
      // oxlint-disable no-await-in-loop -- one after the other
      const problem = await this.#send(address, next);
      if (problem === undefined) continue;
      this.#waiting.unshift(next);
      this.#dropOldest();
      if (signal.aborted) return this.#rest();
      this.#report.failed(address, problem);
      this.#retryMs = Math.min(this.#retryMs * 2 || RETRY_MS.first, RETRY_MS.last);
      await this.#pause(this.#retryMs);
      // oxlint-enable no-await-in-loop
    }
  }

  /** In the turn in which nothing was left, so that the next event finds nobody who has gone already. */
  #rest(): void {
    this.#isSending = false;
  }

  /** Returns why containerd was not reached; what it refuses it has had. */
  async #send(address: string, envelope: Envelope): Promise<string | undefined> {
    try {
      const client = await this.#connect(address);
      // Without a limit: a containerd that is stopped takes what it was sent when it goes on, and would have it twice.
      await client.forward({ envelope });
      this.#retryMs = 0;
      this.#report.taken();
    } catch (error) {
      if (!StatusError.is(error) || PASSING.has(error.code)) return messageOf(error);
      this.#report.refused(envelope.topic ?? '', messageOf(error));
    }
    if (this.#waiting.length === 0) this.#report.caughtUp(address);
    return undefined;
  }

  async #connect(address: string): Promise<Client<typeof Events>> {
    if (this.#connection?.address === address) return this.#connection.client;
    await this.#connection?.transport.close();
    const transport = await dial(address, this.#ending.signal);
    const connection = { address, transport, client: createClient(Events, transport) };
    this.#connection = connection;
    void transport.closed.then(() => {
      if (this.#connection === connection) this.#connection = undefined;
    });
    if (this.#retryMs > 0) await this.#pause(SETTLE_MS);
    this.#retryMs = 0;
    return connection.client;
  }

  /** Keeps no process alive, and ends early where there is news. */
  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = setTimeout(resolve, ms).unref();
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }
}

const late = (): Error => new Error('containerd has not taken all events');
