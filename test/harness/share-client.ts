import { connect, createClient, type Client } from 'ttrpc-ts';
import { Shares, type WatchResponse } from '../../src/proto/share/shares_pb.ts';
import { sendTraceContext } from '../../src/services/send-trace-context.ts';
import { serveTestHost, type ServedHost, type TestHostOptions } from './test-host.ts';

/** A caller of the share service. Disposal disconnects it. */
export interface ShareClient extends AsyncDisposable {
  readonly client: Client<typeof Shares>;
}

/** Connects to a host's socket. */
export async function connectShares(address: string): Promise<ShareClient> {
  const transport = await connect({ path: address, interceptors: [sendTraceContext] });
  return { client: createClient(Shares, transport), [Symbol.asyncDispose]: () => transport.close() };
}

/** A served host whose shares a caller opens. */
export interface ShareHost extends Omit<ServedHost, 'client' | 'connect'>, ShareClient {}

/** Opens a host, serves it and connects. Disposal closes all of it. */
export async function serveShares(options: TestHostOptions = {}): Promise<ShareHost> {
  await using stack = new AsyncDisposableStack();
  const { client: _, ...host } = stack.use(await serveTestHost(options));
  const { client } = stack.use(await connectShares(host.address));
  const own = stack.move();
  return { ...host, client, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

/** Reads a watch until an event says so, that one included. */
export async function readUntil(
  watch: AsyncIterator<WatchResponse>,
  isLast: (event: WatchResponse) => boolean,
): Promise<WatchResponse[]> {
  const events: WatchResponse[] = [];
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- a stream
    const { value, done } = await watch.next();
    if (done) throw new Error('The watch ended');
    events.push(value);
    if (isLast(value)) return events;
  }
}

/** `opened work waiting`, … */
export const summary = ({ event, share }: WatchResponse): string =>
  share ? `${event} ${share.tag} ${share.exit?.cause ?? share.state}` : event;

/** Those of a daemon that was ready before its opening was told, as of one that was not. */
export const unhurried = (summaries: readonly string[]): string[] =>
  summaries.flatMap((text) => {
    const [, tag] = /^opened (\S+) waiting$/.exec(text) ?? [];
    return tag === undefined ? [text] : [`opened ${tag} starting`, `changed ${tag} waiting`];
  });
