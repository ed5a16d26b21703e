import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { UnaryRequest, UnaryResponse } from '@connectrpc/connect';
import { pino } from 'pino';
import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { callInterceptor } from '../../../src/services/controller/interceptor.ts';
import { createGate } from '../../../src/services/hand-over/gate.ts';

/** Longer than all who pass in one turn may keep the loop, in milliseconds. */
const LONG_STEP_MS = 6;

test('callInterceptor() begins calls that come together in turns of the event loop', async () => {
  let turns = 0;
  let counting: NodeJS.Immediate | undefined;
  const count = (): void => {
    turns++;
    counting = setImmediate(count);
  };
  count();
  using stack = new DisposableStack();
  stack.defer(() => clearImmediate(counting));
  await turn();
  await turn();

  const begun: number[] = [];
  const next = async (): Promise<UnaryResponse> => {
    begun.push(turns);
    const end = performance.now() + LONG_STEP_MS;
    while (performance.now() < end);
    return {} as UnaryResponse;
  };
  const log = pino({ level: 'silent' });
  const intercept = callInterceptor({ adopted: Promise.resolve(), log, gate: createGate() });
  const request = { method: Controller.method.stop, message: { sandboxId: 'sb' }, header: new Headers() };
  const calls = [1, 2, 3, 4].map(() => intercept(next)(request as unknown as UnaryRequest));
  await Promise.all(calls);
  assert.equal(new Set(begun).size, 4, begun.join());
});

test('callInterceptor() has all wait for adoption but Create, and none longer than its caller', async () => {
  const { create, status } = Controller.method;
  const adopted = Promise.withResolvers<void>();
  const log = pino({ level: 'silent' });
  const begun: string[] = [];
  const intercept = callInterceptor({ adopted: adopted.promise, log, gate: createGate() })(async (
    request,
  ) => {
    begun.push(request.method.name);
    return {} as UnaryResponse;
  });
  const call = async (method: typeof create | typeof status, signal: AbortSignal): Promise<void> => {
    const request = { method, message: { sandboxId: 'sb' }, header: new Headers(), signal };
    await intercept(request as unknown as UnaryRequest);
  };
  const [staying, leaving] = [new AbortController(), new AbortController()];
  const known = call(status, staying.signal);
  const abandoned = call(status, leaving.signal);
  await call(create, staying.signal);
  leaving.abort();
  await assert.rejects(abandoned, { name: 'AbortError' });
  assert.deepEqual(begun, ['Create']);
  adopted.resolve();
  await known;
  assert.deepEqual(begun, ['Create', 'Status']);
});
