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
