import { type Duplex } from 'node:stream';

/** The other end of a server's connection. */
export interface Peer {
  /** Numbers the connections of a server, from 1. */
  readonly connection: number;
  /** What was listened on: a socket path, `fd:<number>`, or undefined for a stream given to `handle()`. */
  readonly listener: string | undefined;
  /** The connection itself, for what only the operating system knows, such as credentials. Not to be read from. */
  readonly stream: Duplex;
}
