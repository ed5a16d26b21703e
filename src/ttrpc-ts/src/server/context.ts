import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { canceledError, deadlineError } from '../error-status.ts';
import { Metadata } from '../metadata.ts';
import type { StatusError } from '../status-error.ts';
import type { Peer } from './peer.ts';

/** What a handler knows about its call. */
export interface HandlerContext {
  readonly service: DescService;
  readonly method: DescMethod;
  /**
   * Aborts when the deadline passes (reason: DeadlineExceeded), when the connection is lost or the server closed
   * (Canceled), and when the handler has returned. It is aborted from the start where the caller's deadline had
   * already passed; the handler is called nevertheless, as Go does it.
   */
  readonly signal: AbortSignal;
  /** When the caller stops waiting; undefined where it waits for ever. */
  readonly deadline: Date | undefined;
  /** The timeout as the caller sent it, in nanoseconds; 0 is none, a negative one has passed. */
  readonly timeoutNano: bigint;
  /** What the caller sent along. ttrpc answers carry none. */
  readonly requestMetadata: Metadata;
  /** Who calls. */
  readonly peer: Peer;
}

/** A handler context which makes its signal, its timer and its metadata only when somebody asks for them. */
export class CallContext implements HandlerContext {
  readonly method: DescMethod;
  readonly peer: Peer;
  readonly timeoutNano: bigint;
  readonly #receivedAt: number;
  #pairs: [string, string][] | undefined;
  #metadata: Metadata | undefined;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  #reason: StatusError | undefined;

  constructor(call: {
    method: DescMethod;
    peer: Peer;
    timeoutNano: bigint;
    metadata: [string, string][] | undefined;
  }) {
    this.method = call.method;
    this.peer = call.peer;
    this.timeoutNano = call.timeoutNano;
    this.#pairs = call.metadata;
    this.#receivedAt = call.timeoutNano === 0n ? 0 : Date.now();
  }

  get service(): DescService {
    return this.method.parent;
  }

  get requestMetadata(): Metadata {
    this.#metadata ??= Metadata.fromWire(this.#pairs ?? []);
    this.#pairs = undefined;
    return this.#metadata;
  }

  get deadline(): Date | undefined {
    if (this.timeoutNano === 0n) return undefined;
    return new Date(Math.max(-MAX_DATE_MS, Math.min(MAX_DATE_MS, this.#receivedAt + this.#timeoutMs)));
  }

  get signal(): AbortSignal {
    return (this.#controller ??= this.#startSignal()).signal;
  }

  /** Ends the call for its handler: because it has returned, or for a reason. The first one counts. */
  end(reason?: StatusError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reason = reason;
    clearTimeout(this.#timer);
    this.#controller?.abort(reason ?? canceledError());
  }

  get #timeoutMs(): number {
    return Number(this.timeoutNano) / 1e6;
  }

  #startSignal(): AbortController {
    const controller = new AbortController();
    if (this.#ended) {
      controller.abort(this.#reason ?? canceledError());
    } else if (this.timeoutNano !== 0n) {
      const left = this.#receivedAt + this.#timeoutMs - Date.now();
      if (left <= 0) controller.abort(deadlineError());
      else if (left <= MAX_TIMER_MS) {
        this.#timer = setTimeout(() => controller.abort(deadlineError()), left);
      }
    }
    return controller;
  }
}

const MAX_TIMER_MS = 0x7fff_ffff;
const MAX_DATE_MS = 8.64e15;
