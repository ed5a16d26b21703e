import { Code, type ServerOptions } from 'ttrpc-ts';
import { makeSocketDir } from '../ttrpc-ts/fixtures/socket-dir.ts';
import { startPeer, startPeerServer } from './peer-process.ts';
import { Failure_Kind as Kind } from './proto/interop_pb.ts';
import { createInteropServer } from './service.ts';

/** What a scenario of a peer's client came to; the code is -1 for an error that is no status. */
export interface Outcome {
  readonly value: unknown;
  readonly code: number;
  readonly error: string;
}

export const ok = (value: unknown): Outcome => ({ value, code: 0, error: '' });
export const failed = (code: number, error: string): Outcome => ({ value: null, code, error });
export const fail = (kind: Kind, rest: object = {}): string => `fail ${JSON.stringify({ kind, ...rest })}`;

/** A name, what the peer is told, and what it comes to with our server. */
export type Scenario = readonly [name: string, line: string, outcome: Outcome];

export const unaryScenarios: readonly Scenario[] = [
  ['an empty message', 'echo 0', ok(0)],
  ['a message of 100 bytes', 'echo 100', ok(100)],
  ['a message of 1 MiB', 'echo 1048576', ok(1 << 20)],
  ['1000 calls at once', 'concurrent', ok(1000)],
  ['an unknown service', 'unknown-service', failed(Code.Unimplemented, 'service no.Such')],
  ['an unknown method', 'unknown-method', failed(Code.Unimplemented, 'method Nope')],
  ['a status from a handler', fail(Kind.STATUS, { code: 9, message: 'not now' }), failed(9, 'not now')],
  ['a plain error', fail(Kind.PLAIN, { message: 'oops' }), failed(2, 'oops')],
  ['a cancelled handler', fail(Kind.CANCELED), failed(1, 'context canceled')],
  ['a handler out of time', fail(Kind.DEADLINE), failed(4, 'context deadline exceeded')],
  ['a permission error', fail(Kind.PERMISSION), failed(7, 'permission denied')],
  ['no reply', fail(Kind.NIL_REPLY), failed(2, 'ttrpc: marshal called with nil')],
];

export const streamScenarios: readonly Scenario[] = [
  ['a stream of answers', 'repeat {"count":100,"size":10}', ok(Array.from({ length: 100 }).fill(10))],
  ['a stream of empty answers', 'repeat {"count":3,"size":0}', ok([0, 0, 0])],
  ['a stream of no answers', 'repeat {}', ok([])],
  [
    'a stream of large answers',
    'repeat {"count":4,"size":1000000}',
    ok(Array.from({ length: 4 }).fill(1_000_000)),
  ],
  ['a stream of requests', 'count [1,2,3,0]', ok([4, 6])],
  ['a stream of no requests', 'count []', ok([0, 0])],
  ['a stream both ways', 'chat [1,0,100,70000]', ok([1, 0, 100, 70_000])],
  ['an empty stream both ways', 'chat []', ok([])],
];

interface RunOptions {
  /** What starts the client: the words before `client <socket>`. */
  readonly client: readonly string[];
  /** What starts the peer's server. @default ours serves */
  readonly server?: readonly string[];
  readonly serverOptions?: ServerOptions;
}

/** Runs scenarios of a peer's client, on one connection. */
export async function runScenarios(
  { client, server, serverOptions }: RunOptions,
  ...lines: readonly string[]
): Promise<Outcome[]> {
  await using stack = new AsyncDisposableStack();
  const socket = stack.use(await makeSocketDir()).socket();
  if (server) stack.use(await startPeerServer(server, socket));
  else await stack.use(createInteropServer(serverOptions)).listen({ path: socket });
  const peer = stack.use(startPeer([...client, 'client', socket]));
  const outcomes: Outcome[] = [];
  for (const line of lines) outcomes.push(JSON.parse(await peer.ask(line)) as Outcome);
  return outcomes;
}
