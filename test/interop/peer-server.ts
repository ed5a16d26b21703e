import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Client, Code, connect, createClient, StatusError } from 'ttrpc-ts';
import { makeSocketDir } from '../ttrpc-ts/fixtures/socket-dir.ts';
import { startPeerServer } from './peer-process.ts';
import { type Failure_Kind, InteropService } from './proto/interop_pb.ts';

/** A server in another language. */
export interface PeerServer {
  readonly name: string;
  /** What starts it: the words before `server <socket>`. */
  readonly command: readonly string[];
}

type InteropClient = Client<typeof InteropService>;

/** Runs our client against a peer's server, and shows that the connection still serves calls. */
export async function withClient(
  { command }: PeerServer,
  use: (client: InteropClient) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const socket = stack.use(await makeSocketDir()).socket();
  stack.use(await startPeerServer(command, socket));
  const client = createClient(InteropService, stack.use(await connect({ path: socket })));
  await use(client);
  assert.deepEqual((await client.echo({ data: new Uint8Array([1]) })).data, new Uint8Array([1]));
}

async function* payloads(...sizes: number[]): AsyncGenerator<{ data: Uint8Array }> {
  for (const size of sizes) yield { data: new Uint8Array(size) };
}

const sizesOf = async (answers: AsyncIterable<{ data: Uint8Array }>): Promise<number[]> =>
  Array.fromAsync(answers, ({ data }) => data.length);

/** What a peer's unary methods show. */
export function testUnaryCalls(peer: PeerServer): void {
  test(`our client sends messages of many sizes to a ${peer.name} server`, () =>
    withClient(peer, async (client) => {
      for (const size of [0, 1, 100, 70_000, 1 << 20]) {
        assert.equal((await client.echo({ data: new Uint8Array(size) })).data.length, size);
      }
    }));

  test(`our client makes 1000 calls at once to a ${peer.name} server`, () =>
    withClient(peer, async (client) => {
      const texts = Array.from({ length: 1000 }, (_, index) => Buffer.from(`call ${index}`));
      const answers = await Promise.all(texts.map((data) => client.echo({ data })));
      assert.deepEqual(
        answers.map(({ data }) => Buffer.from(data)),
        texts,
      );
    }));

  test(`our client gets 64 answers of 1 MiB at once from a ${peer.name} server`, () =>
    withClient(peer, async (client) => {
      const answers = await Promise.all(Array.from({ length: 64 }, () => client.fetch({ size: 1 << 20 })));
      assert.deepEqual(new Set(answers.map(({ data }) => data.length)), new Set([1 << 20]));
    }));

  test(`our client's metadata and timeout reach a ${peer.name} handler`, () =>
    withClient(peer, async (client) => {
      const metadata = { One: '1', two: ['a', 'b'] };
      const seen = await client.describe({}, { metadata, timeoutMs: 60_000 });
      assert.deepEqual(seen.metadata, ['one=1', 'two=a', 'two=b']);
      assert.ok(seen.timeoutNano > 50_000_000_000n && seen.timeoutNano <= 60_000_000_000n);
      const unlimited = await client.describe({});
      assert.deepEqual([unlimited.metadata, unlimited.timeoutNano], [[], 0n]);
    }));

  test(`our client refuses a request above 4 MiB to a ${peer.name} server itself`, () =>
    withClient(peer, async (client) => {
      const call = client.echo({ data: new Uint8Array(4 << 20) });
      await assert.rejects(call, { code: Code.ResourceExhausted, message: /^message length \d+ exceed/ });
    }));

  test(`our client rejects at its deadline and its signal, and drops what a ${peer.name} server answers later`, () =>
    withClient(peer, async (client) => {
      await assert.rejects(client.wait({}, { timeoutMs: 10 }), { code: Code.DeadlineExceeded });
      await assert.rejects(client.wait({}, { signal: AbortSignal.timeout(10) }), {
        code: Code.DeadlineExceeded,
      });
      const controller = new AbortController();
      const call = client.wait({}, { signal: controller.signal });
      controller.abort();
      await assert.rejects(call, { code: Code.Canceled });
    }));

  test(`our client rejects every call with Unavailable where a ${peer.name} server goes away`, () =>
    loseServer(peer, (client) => [client.wait({}), client.wait({})]));
}

/** What a peer's streams show. */
export function testStreams(peer: PeerServer): void {
  test(`our client calls every kind of stream of a ${peer.name} server`, () =>
    withClient(peer, async (client) => {
      const sizes = [1, 0, 100, 70_000];
      assert.deepEqual(await sizesOf(client.repeat({ count: 3, size: 5 })), [5, 5, 5]);
      assert.deepEqual(await sizesOf(client.repeat({ count: 2 })), [0, 0]);
      assert.deepEqual(await sizesOf(client.repeat({})), []);
      const { messages, bytes } = await client.count(payloads(...sizes));
      assert.deepEqual([messages, bytes], [4n, 70_101n]);
      assert.equal((await client.count(payloads())).messages, 0n);
      assert.deepEqual(await sizesOf(client.chat(payloads(...sizes))), sizes);
      assert.deepEqual(await sizesOf(client.chat(payloads())), []);
    }));

  test(`our client passes 10000 messages through a ${peer.name} stream`, () =>
    withClient(peer, async (client) => {
      const sizes = Array.from({ length: 10_000 }, (_, index) => index % 300);
      assert.deepEqual(await sizesOf(client.chat(payloads(...sizes))), sizes);
    }));

  test(`our client ends a stream with Unavailable where a ${peer.name} server goes away`, () =>
    loseServer(peer, (client) => [sizesOf(client.repeat({ count: 2 ** 31 }))]));
}

/** What a peer's handlers fail with, and what our client makes of it. */
export function testFailures(
  peer: PeerServer,
  failures: readonly (readonly [name: string, kind: Failure_Kind, code: Code, message: RegExp])[],
): void {
  for (const [name, kind, code, message] of failures) {
    test(`our client gets the code and the message of ${name} from a ${peer.name} server`, () =>
      withClient(peer, async (client) => {
        await assert.rejects(
          client.fail({ kind, code: Code.FailedPrecondition, message: 'told' }),
          (error: unknown) => {
            assert.ok(StatusError.is(error));
            assert.equal(error.code, code);
            assert.match(error.message, message);
            return true;
          },
        );
      }));
  }
}

async function loseServer(
  { command }: PeerServer,
  call: (client: InteropClient) => Promise<unknown>[],
): Promise<void> {
  await using dir = await makeSocketDir();
  const server = await startPeerServer(command, dir.socket());
  await using transport = await connect({ path: dir.socket() });
  const client = createClient(InteropService, transport);
  await client.echo({});
  const rejected = Promise.all(
    call(client).map((each) => assert.rejects(each, { code: Code.Unavailable, message: 'ttrpc: closed' })),
  );
  await new Promise((resolve) => setImmediate(resolve));
  await server[Symbol.asyncDispose]();
  await rejected;
  assert.equal((await transport.closed).code, Code.Unavailable);
  await assert.rejects(client.echo({}), { code: Code.Unavailable });
}
