import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { startEcho } from '../fixtures/echo.ts';
import { fuzzClient } from './client.ts';
import { makeRandom } from './random.ts';
import { fuzzedImpl, fuzzServer } from './server.ts';

/** What a run did. */
export interface FuzzResult {
  readonly frames: number;
  /** Calls of a good client beside the fuzzed connections, every one of them answered. */
  readonly calls: number;
  /** Bytes of heap and of buffers at the end, over those after the first tenth. */
  readonly growth: number;
}

/** Sends so many frames to servers and to clients; throws where one of them does what it must not. */
export async function fuzz(options: {
  frames: number;
  seed: number;
  onProgress?: (frames: number) => void;
}): Promise<FuzzResult> {
  const random = makeRandom(options.seed);
  const server = { streamStallTimeoutMs: 50, onError: (error: unknown) => assert.fail(String(error)) };
  await using echo = await startEcho({ server, implementation: fuzzedImpl });
  const perConnection = 500;
  let frames = 0;
  let calls = 0;
  let early = 0;
  while (frames < options.frames) {
    const count = Math.min(perConnection, options.frames - frames);
    const beside = echo.client.echo({ message: `call ${calls}` });
    if (random.oneIn(2)) await fuzzServer(echo.path, count, random);
    else await fuzzClient(count, random);
    assert.equal((await beside).message, `call ${calls}`);
    assert.equal((await echo.client.echo({ message: 'after' })).message, 'after');
    calls += 2;
    frames += count;
    if (early === 0 && frames >= options.frames / 10) early = memoryInUse();
    options.onProgress?.(frames);
  }
  return { frames, calls, growth: memoryInUse() - early };
}

function memoryInUse(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
