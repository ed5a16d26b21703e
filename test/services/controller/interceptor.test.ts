import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { UnaryRequest, UnaryResponse } from '@connectrpc/connect';
import { pino } from 'pino';
import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { createGate } from '../../../src/services/hand-over/gate.ts';
import { callInterceptor } from '../../../src/services/controller/interceptor.ts';

/** Longer than all who pass in one turn may keep the loop, in milliseconds. */
const LONG_STEP_MS = 6;

test('callInterceptor() begins calls that come together in turns of the event loop', async () => {
  let turns = 0;
  let isCounting = true;
  const count = (): void => {
    turns++;
    if (isCounting) setImmediate(count);
  };
  setImmediate(count);
  await turn();
  await turn();

  const begun: number[] = [];
  const next = async (): Promise<UnaryResponse> => {
    begun.push(turns);
    const end = performance.now() + LONG_STEP_MS;
    while (performance.now() < end);
    return {} as UnaryResponse;
  };
  const intercept = callInterceptor({
    adopted: Promise.resolve(),
    log: pino({ level: 'silent' }),
    gate: createGate(),
  });
  const request = { method: Controller.method.stop, message: { sandboxId: 'sb' }, header: new Headers() };
  const calls = [1, 2, 3, 4].map(() => intercept(next)(request as unknown as UnaryRequest));
  await Promise.all(calls);
  isCounting = false;
  assert.equal(new Set(begun).size, 4, begun.join());
});
