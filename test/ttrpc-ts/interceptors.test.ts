import assert from 'node:assert/strict';
import test from 'node:test';
import { type ClientInterceptor, Code, type ServerInterceptor, StatusError } from 'ttrpc-ts';
import { collect, type EchoImpl, messages, startEcho } from './fixtures/echo.ts';

test('client interceptors wrap every kind of call, the first one outermost, and may add metadata', async () => {
  const trail: string[] = [];
  const named =
    (name: string): ClientInterceptor =>
    (next) =>
    async (call) => {
      trail.push(`${name} ${call.kind} ${call.service.name}.${call.method.name}`);
      call.metadata.append('trail', name);
      const answer = await next(call);
      trail.push(`${name} done`);
      return answer;
    };
  const seen: string[][] = [];
  const see = (...values: string[]): void => void seen.push(values);
  const implementation: EchoImpl = {
    echo: ({ message }, { requestMetadata }) => (see(...requestMetadata.getAll('trail')), { message }),
    async *chat(requests, { requestMetadata }) {
      see(...requestMetadata.getAll('trail'));
      for await (const { message } of requests) yield { message };
    },
  };
  await using fixture = await startEcho({
    client: { interceptors: [named('a'), named('b')] },
    implementation,
  });
  const { client } = fixture;
  const metadata = { trail: 'own' };
  assert.equal((await client.echo({ message: 'x' }, { metadata })).message, 'x');
  assert.deepEqual(trail, ['a unary EchoService.Echo', 'b unary EchoService.Echo', 'b done', 'a done']);
  assert.deepEqual(await collect(client.chat(messages('x', 'y'))), ['x', 'y']);
  assert.equal((await client.join(messages('x', 'y'))).message, 'x y');
  assert.deepEqual(await collect(client.repeat({ message: 'x', count: 2 })), ['x', 'x']);
  assert.deepEqual(seen, [
    ['own', 'a', 'b'],
    ['a', 'b'],
  ]);
  assert.equal(trail.length, 16);
  assert.deepEqual(metadata, { trail: 'own' });
});

test('a client interceptor may answer, replace the message, and change the error', async () => {
  const interceptors: ClientInterceptor[] = [
    (next) => async (call) => {
      if (call.kind !== 'unary') throw new StatusError(Code.PermissionDenied, 'streams are closed');
      return next({ ...call, message: { message: 'replaced' } });
    },
  ];
  await using fixture = await startEcho({ client: { interceptors } });
  assert.equal((await fixture.client.echo({ message: 'x' })).message, 'replaced');
  await assert.rejects(collect(fixture.client.repeat({})), { code: Code.PermissionDenied });
  fixture.client.repeat({}); // Not consumed: its error rejects nowhere.
});

test('server interceptors wrap every kind of call, the first one outermost', async () => {
  const trail: string[] = [];
  const named =
    (name: string): ServerInterceptor =>
    (next) =>
    async (call) => {
      trail.push(`${name} ${call.kind} ${call.service.name}.${call.method.name} ${call.metadata.get('key')}`);
      assert.equal(call.signal, call.context.signal);
      return next(call);
    };
  await using fixture = await startEcho({ server: { interceptors: [named('a'), named('b')] } });
  const { client } = fixture;
  const metadata = { key: 'value' };
  assert.equal((await client.echo({ message: 'x' }, { metadata })).message, 'x');
  assert.deepEqual(trail, ['a unary EchoService.Echo value', 'b unary EchoService.Echo value']);
  assert.deepEqual(await collect(client.chat(messages('x', 'y'))), ['x', 'y']);
  assert.equal((await client.join(messages('x', 'y'))).message, 'x y');
  assert.deepEqual(await collect(client.repeat({ message: 'x', count: 2 })), ['x', 'x']);
  assert.equal(trail.length, 8);
});

test('a server interceptor may refuse, and sees what the handler throws', async () => {
  const seen: unknown[] = [];
  const interceptor: ServerInterceptor = (next) => async (call) => {
    if (call.metadata.get('token') !== 'secret') throw new StatusError(Code.Unauthenticated, 'who are you');
    try {
      return await next(call);
    } catch (error) {
      seen.push(error);
      throw error;
    }
  };
  await using fixture = await startEcho({ server: { interceptors: [interceptor] } });
  const { client } = fixture;
  await assert.rejects(client.echo({}), { code: Code.Unauthenticated, message: 'who are you' });
  await assert.rejects(client.fail({ code: 5 }, { metadata: { token: 'secret' } }), { code: Code.NotFound });
  assert.equal((seen[0] as StatusError).code, Code.NotFound);
});
