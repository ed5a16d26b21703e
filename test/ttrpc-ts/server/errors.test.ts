import { anyPack, anyUnpack, StringValueSchema } from '@bufbuild/protobuf/wkt';
import { create } from '@bufbuild/protobuf';
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { Code, connect, createClient, createServer, StatusError } from 'ttrpc-ts';
import { EchoService } from '../../../src/ttrpc-ts/examples/echo_pb.ts';
import { collect, type EchoImpl, messages, startEcho } from '../fixtures/echo.ts';
import { makeSocketDir } from '../fixtures/socket-dir.ts';

test('a handler answers with the status that it throws, from every kind of method', async () => {
  const error = new StatusError(Code.FailedPrecondition, 'not now');
  const fail = (): never => {
    throw error;
  };
  const implementation: EchoImpl = {
    echo: fail,
    join: fail,
    repeat: fail,
    async *chat(requests) {
      for await (const { message } of requests) yield { message };
      fail();
    },
  };
  await using echo = await startEcho({ implementation });
  const { client } = echo;
  const expected = { name: 'StatusError', code: Code.FailedPrecondition, message: 'not now' };
  await assert.rejects(client.echo({}), expected);
  await assert.rejects(client.join(messages('a')), expected);
  await assert.rejects(collect(client.repeat({})), expected);
  const seen: string[] = [];
  await assert.rejects(async () => {
    for await (const { message } of client.chat(messages('a', 'b'))) seen.push(message);
  }, expected);
  assert.deepEqual(seen, ['a', 'b']);
});

test('the details of a status reach the caller', async () => {
  const details = [anyPack(StringValueSchema, create(StringValueSchema, { value: 'more' }))];
  const implementation: EchoImpl = {
    echo: () => {
      throw new StatusError(Code.Aborted, 'stopped', { details });
    },
  };
  await using fixture = await startEcho({ implementation });
  await assert.rejects(fixture.client.echo({}), (error: StatusError) => {
    assert.equal(anyUnpack(error.details[0]!, StringValueSchema)?.value, 'more');
    return true;
  });
});

test('a status that cannot be encoded still answers with its code', async () => {
  const broken = { $typeName: 'google.protobuf.Any', typeUrl: 5, value: 'no bytes' } as never;
  const implementation: EchoImpl = {
    async echo() {
      throw new StatusError(Code.Aborted, 'stopped', { details: [broken] });
    },
  };
  await using fixture = await startEcho({ implementation });
  const message = 'The status of this call is malformed or too large';
  await assert.rejects(fixture.client.echo({}), { code: Code.Aborted, message });
});

test('a foreign error is translated, and onError is told', async () => {
  const told: unknown[] = [];
  const implementation: EchoImpl = {
    echo: async ({ message }) => ({ message: await readFile(message, 'utf8') }),
  };
  const onError = (error: unknown): void => {
    told.push(error);
    throw new Error('a broken reporter');
  };
  await using fixture = await startEcho({ server: { onError }, implementation });
  await assert.rejects(fixture.client.echo({ message: '/no/such/file' }), {
    code: Code.NotFound,
    message: /^ENOENT: /,
  });
  await assert.rejects(fixture.client.fail({ code: 5, message: 'mine' }), { code: Code.NotFound });
  assert.equal(told.length, 1);
});

test('an answer above 4 MiB fails its call alone, and the connection goes on', async () => {
  const big = 'x'.repeat(4 << 20);
  const implementation: EchoImpl = {
    echo: ({ message }) => ({ message: message || big }),
    async *repeat() {
      yield { message: 'small' };
      yield { message: big };
    },
  };
  await using fixture = await startEcho({ implementation });
  const { client } = fixture;
  const beside = client.echo({ message: 'beside' });
  const expected = {
    code: Code.ResourceExhausted,
    message: /^message length 4194\d+ exceed maximum message size of 4194304$/,
  };
  await assert.rejects(client.echo({}), expected);
  await assert.rejects(collect(client.repeat({})), expected);
  assert.equal((await beside).message, 'beside');
});

test('a handler that returns nothing answers as in Go', async () => {
  const nothing = (() => undefined) as unknown as NonNullable<EchoImpl['echo']>;
  await using fixture = await startEcho({ implementation: { echo: nothing, repeat: nothing as never } });
  await assert.rejects(fixture.client.echo({}), {
    code: Code.Unknown,
    message: 'ttrpc: marshal called with nil',
  });
  await assert.rejects(collect(fixture.client.repeat({})), {
    code: Code.Internal,
    message: /returned no async iterable$/,
  });
});

test('a handler that returns what cannot be encoded answers Internal', async () => {
  const unreadable = {
    get message(): string {
      throw new Error('no text');
    },
  };
  await using fixture = await startEcho({ implementation: { echo: () => unreadable } });
  const expected = { code: Code.Internal, message: 'ttrpc: error marshaling payload: no text' };
  await assert.rejects(fixture.client.echo({}), expected);
});

test('Server.service() answers Unimplemented for a method that the implementation does not have', async () => {
  await using dir = await makeSocketDir();
  await using server = createServer().service(EchoService, { echo: () => ({}) });
  await server.listen({ path: dir.socket() });
  await using transport = await connect({ path: dir.socket() });
  const client = createClient(EchoService, transport);
  await client.echo({});
  await assert.rejects(client.join(messages()), { code: Code.Unimplemented, message: 'method Join' });
  await assert.rejects(collect(client.chat(messages())), {
    code: Code.Unimplemented,
    message: 'method Chat',
  });
});

test('Server.service() refuses a service that was added', () => {
  const server = createServer().service(EchoService, {});
  assert.throws(() => server.service(EchoService, {}), { code: Code.AlreadyExists });
});

test('Server.service() calls methods of a class on their instance', async () => {
  class Greeter {
    readonly greeting = 'hello';
    echo({ message }: { message: string }): { message: string } {
      return { message: `${this.greeting} ${message}` };
    }
  }
  await using dir = await makeSocketDir();
  await using server = createServer().service(EchoService, new Greeter());
  await server.listen({ path: dir.socket() });
  await using transport = await connect({ path: dir.socket() });
  assert.equal((await createClient(EchoService, transport).echo({ message: 'you' })).message, 'hello you');
});
