import assert from 'node:assert/strict';
import { Code } from 'ttrpc-ts';
import { collect, type EchoImpl, messages, startEcho } from './fixtures/echo.ts';
import { testBoth } from './fixtures/test-both.ts';
import { until } from './fixtures/turns.ts';

const texts = (count: number): string[] => Array.from({ length: count }, (_, index) => `message ${index}`);

testBoth('a unary method answers', async (through) => {
  await using echo = await startEcho(through);
  assert.deepEqual(await echo.client.echo({ message: 'hello' }), {
    $typeName: 'ttrpc.example.v1.EchoResponse',
    message: 'hello',
  });
});

testBoth('a server-streaming method sends every message, then the end', async (through) => {
  await using echo = await startEcho(through);
  assert.deepEqual(
    await collect(echo.client.repeat({ message: 'a', count: 100 })),
    Array.from({ length: 100 }).fill('a'),
  );
  assert.deepEqual(await collect(echo.client.repeat({})), []);
});

testBoth('a client-streaming method receives every message in order, then the end', async (through) => {
  await using echo = await startEcho(through);
  assert.equal((await echo.client.join(messages(...texts(100)))).message, texts(100).join(' '));
  assert.equal((await echo.client.join(messages())).message, '');
});

testBoth('a bidirectional method answers each message as it comes', async (through) => {
  await using echo = await startEcho(through);
  const { promise: first, resolve } = Promise.withResolvers<void>();
  async function* input(): AsyncGenerator<{ message: string }> {
    yield { message: 'first' };
    await first;
    yield { message: 'second' };
  }
  const seen: string[] = [];
  for await (const { message } of echo.client.chat(input())) {
    seen.push(message);
    resolve();
  }
  assert.deepEqual(seen, ['first', 'second']);
});

testBoth('a bidirectional method passes 10000 messages in order', async (through) => {
  await using echo = await startEcho(through);
  assert.deepEqual(await collect(echo.client.chat(messages(...texts(10_000)))), texts(10_000));
});

testBoth('empty messages are messages', async (through) => {
  await using echo = await startEcho(through);
  assert.deepEqual(await collect(echo.client.chat(messages('', '', ''))), ['', '', '']);
  assert.deepEqual(await collect(echo.client.repeat({ count: 2 })), ['', '']);
});

testBoth('a handler that leaves its requests unread answers, and the rest is dropped', async (through) => {
  const implementation: EchoImpl = {
    async join(requests) {
      for await (const { message } of requests) return { message };
      return {};
    },
    async *chat() {},
  };
  await using echo = await startEcho({ ...through, implementation });
  assert.equal((await echo.client.join(messages(...texts(1000)))).message, 'message 0');
  assert.deepEqual(await collect(echo.client.chat(messages(...texts(1000)))), []);
  assert.equal((await echo.client.echo({ message: 'after' })).message, 'after');
});

testBoth('many calls of every kind run at once on one connection', async (through) => {
  await using echo = await startEcho(through);
  const { client } = echo;
  await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const text = `call ${index}`;
      assert.equal((await client.echo({ message: text })).message, text);
      assert.equal((await client.join(messages(text, text))).message, `${text} ${text}`);
      assert.deepEqual(await collect(client.repeat({ message: text, count: 3 })), [text, text, text]);
      assert.deepEqual(await collect(client.chat(messages(text, '', text))), [text, '', text]);
      const failed = client.fail({ code: (index % 16) + 1, message: text });
      await assert.rejects(failed, { code: (index % 16) + 1, message: text });
    }),
  );
});

testBoth('a slow handler blocks no other call', async (through) => {
  const { promise: released, resolve } = Promise.withResolvers<void>();
  const implementation: EchoImpl = {
    join: async () => {
      await released;
      return { message: 'slow' };
    },
  };
  await using echo = await startEcho({ ...through, implementation });
  const slow = echo.client.join(messages(...texts(200)));
  for (const text of texts(10)) assert.equal((await echo.client.echo({ message: text })).message, text);
  resolve();
  assert.equal((await slow).message, 'slow');
});

testBoth('payloads of 1 MiB pass in both directions, 16 at once', async (through) => {
  await using echo = await startEcho(through);
  const message = 'm'.repeat(1 << 20);
  const answers = await Promise.all(Array.from({ length: 16 }, () => echo.client.echo({ message })));
  assert.ok(answers.every((answer) => answer.message === message));
  const echoed = await collect(echo.client.chat(messages(message, message, message, message, message)));
  assert.ok(echoed.length === 5 && echoed.every((each) => each === message));
});

testBoth(
  'a stream that the handler breaks off rejects for the caller, whose input is stopped',
  async (through) => {
    let stopped = false;
    async function* endless(): AsyncGenerator<{ message: string }> {
      try {
        for (;;) {
          yield { message: 'more' };
          await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        stopped = true;
      }
    }
    const implementation: EchoImpl = {
      join: async (requests) => {
        for await (const { message } of requests) throw new Error(`no ${message}`);
        return {};
      },
    };
    await using echo = await startEcho({ ...through, implementation });
    await assert.rejects(echo.client.join(endless()), { code: Code.Unknown, message: 'no more' });
    await until(() => stopped);
  },
);
