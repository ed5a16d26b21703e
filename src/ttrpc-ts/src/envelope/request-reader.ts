import { Code } from '../code.ts';
import { StatusError } from '../status-error.ts';
import { WireReader } from './wire.ts';

/** Finds what serves a request by the encoded names of its service and method. */
export interface RouteTable<Route> {
  /** Returns what serves the names encoded in `buffer` from `start` to `end`, if they are in the usual order. */
  match(buffer: Uint8Array, start: number, end: number): Route | undefined;
  /** Returns what serves the names, or throws a `StatusError` Unimplemented. */
  find(service: string, method: string): Route;
}

/** What a request says. Valid until the next `read()`. */
export interface RequestEnvelope<Route> {
  readonly route: Route;
  readonly payloadStart: number;
  readonly payloadEnd: number;
  /** 0 for none; negative for one that has passed. */
  readonly timeoutNano: bigint;
  readonly metadata: [string, string][] | undefined;
}

/** Decodes requests: by comparing bytes where the fields stand as every known peer writes them. */
export class RequestReader<Route> {
  readonly #table: RouteTable<Route>;
  readonly #reader = new WireReader();
  readonly #pairReader = new WireReader();

  constructor(table: RouteTable<Route>) {
    this.#table = table;
  }

  /** Reads a request. Throws an `Error` where it is malformed and a `StatusError` where nothing serves it. */
  read(buffer: Uint8Array, start: number, end: number): RequestEnvelope<Route> {
    let at = start;
    let route: Route | undefined;
    const namesEnd = endOfNames(buffer, start, end);
    if (namesEnd > 0) route = this.#table.match(buffer, start, namesEnd);
    if (route !== undefined) at = namesEnd;
    let service: string | undefined;
    let method: string | undefined;
    let payloadStart = at;
    let payloadEnd = at;
    let timeoutNano = 0n;
    let metadata: [string, string][] | undefined;
    const reader = this.#reader.reset(buffer, at, end);
    while (reader.more) {
      const tag = reader.tag();
      if (tag === 0x1a) {
        payloadStart = reader.bytes();
        payloadEnd = reader.at;
      } else if (tag === 0x20) {
        timeoutNano = reader.int64();
      } else if (tag === 0x2a) {
        const pairStart = reader.bytes();
        metadata ??= [];
        if (metadata.length === MAX_METADATA_PAIRS) throw tooManyPairs();
        metadata.push(this.#pair(buffer, pairStart, reader.at));
      } else if (tag === 0x0a || tag === 0x12) {
        // Names again, or not where expected: start over with the plain way.
        if (route !== undefined) return this.#readNames(buffer, start, end);
        if (tag === 0x0a) service = reader.string();
        else method = reader.string();
      } else {
        reader.skip(tag);
      }
    }
    route ??= this.#table.find(service ?? '', method ?? '');
    return { route, payloadStart, payloadEnd, timeoutNano, metadata };
  }

  /** Reads a request whose names occur more than once: as in all of protobuf the last one counts. */
  #readNames(buffer: Uint8Array, start: number, end: number): RequestEnvelope<Route> {
    const find = (service: string, method: string): Route => this.#table.find(service, method);
    const plain = new RequestReader<Route>({ match: () => undefined, find });
    return plain.read(buffer, start, end);
  }

  #pair(buffer: Uint8Array, start: number, end: number): [string, string] {
    const pair: [string, string] = ['', ''];
    const reader = this.#pairReader.reset(buffer, start, end);
    while (reader.more) {
      const tag = reader.tag();
      if (tag === 0x0a) pair[0] = reader.string();
      else if (tag === 0x12) pair[1] = reader.string();
      else reader.skip(tag);
    }
    return pair;
  }
}

/** Returns where the names end if the request starts with both of them, each shorter than 128 bytes; else 0. */
function endOfNames(buffer: Uint8Array, start: number, end: number): number {
  if (end - start < 4 || buffer[start] !== 0x0a || buffer[start + 1]! > 0x7f) return 0;
  const method = start + 2 + buffer[start + 1]!;
  if (method + 2 > end || buffer[method] !== 0x12 || buffer[method + 1]! > 0x7f) return 0;
  const namesEnd = method + 2 + buffer[method + 1]!;
  return namesEnd <= end ? namesEnd : 0;
}

/** A pair takes two bytes on the wire and a hundred times that in memory. */
const MAX_METADATA_PAIRS = 1024;

function tooManyPairs(): StatusError {
  return new StatusError(
    Code.ResourceExhausted,
    `The request has more than ${MAX_METADATA_PAIRS} pairs of metadata`,
  );
}
