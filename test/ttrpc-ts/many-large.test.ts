import assert from 'node:assert/strict';
import test from 'node:test';
import { collect, type Echo, type EchoImpl, messages, startEcho } from './fixtures/echo.ts';

/** Keeps watch on the memory of buffers while calls are made. */
async function withFlatMemory(mostMiB: number, use: (look: () => void) => Promise<void>): Promise<void> {
  let most = 0;
  const before = process.memoryUsage().arrayBuffers;
  const look = (): void => void (most = Math.max(most, process.memoryUsage().arrayBuffers - before));
  await use(look);
  assert.ok(most < mostMiB << 20, `${most >> 20} MiB of buffers`);
}

const mebibyte = 'm'.repeat(1 << 20);

const kinds: [string, ({ client }: Echo) => Promise<number>][] = [
  ['unary', async ({ client }) => (await client.echo({ message: mebibyte })).message.length],
  [
    'server-streaming',
    async ({ client }) => (await collect(client.repeat({ message: mebibyte, count: 1 })))[0]!.length,
  ],
  ['client-streaming', async ({ client }) => (await client.join(messages(mebibyte))).message.length],
  ['bidirectional', async ({ client }) => (await collect(client.chat(messages(mebibyte))))[0]?.length ?? 0],
];

for (const [name, call] of kinds) {
  const count = name === 'unary' ? 500 : 100;
  test(`${count} ${name} calls of 1 MiB in each direction at once are answered, in flat memory`, async () => {
    await using fixture = await startEcho();
    await withFlatMemory(256, async (look) => {
      const lengths = Array.from({ length: count }, async () => {
        const length = await call(fixture);
        look();
        return length;
      });
      assert.ok((await Promise.all(lengths)).every((length) => length === 1 << 20));
    });
  });
}

for (const [count, size] of [
  [5, 4_000_000],
  [17, 1 << 20],
  [300, 100_000],
] as const) {
  test(`${count} answers of ${size} bytes that are ready at once reach a client that reads`, async () => {
    const message = 'x'.repeat(size);
    const { promise: released, resolve } = Promise.withResolvers<void>();
    let entered = 0;
    const enter = async (): Promise<void> => {
      if (++entered === 2 * count) resolve();
      await released;
    };
    const implementation: EchoImpl = {
      async echo() {
        await enter();
        return { message };
      },
      async *repeat() {
        await enter();
        yield { message };
      },
    };
    await using fixture = await startEcho({ implementation });
    const { client } = fixture;
    const calls = Array.from({ length: count }, async () => (await client.echo({})).message.length);
    const streams = Array.from({ length: count }, async () => (await collect(client.repeat({})))[0]!.length);
    for (const length of await Promise.all([...calls, ...streams])) assert.equal(length, size);
  });
}

test('errors with 1 MiB of words each, ready at once, reach a client that reads', async () => {
  await using fixture = await startEcho();
  const calls = Array.from({ length: 40 }, () => fixture.client.fail({ code: 5, message: mebibyte }));
  for (const result of await Promise.allSettled(calls)) {
    assert.equal(result.status, 'rejected');
    assert.equal(result.reason.message.length, 1 << 20);
  }
});
