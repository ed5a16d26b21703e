import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, type ServerInterceptor } from 'ttrpc-ts';
import { obtainOrSkip } from '../setup/obtain.ts';
import { Failure_Kind as Kind } from './proto/interop_pb.ts';
import {
  fail,
  failed,
  ok,
  type Outcome,
  runScenarios,
  streamScenarios,
  unaryScenarios,
} from './scenarios.ts';

const { part: program = '', skip } = await obtainOrSkip('interop-rust');

for (const half of ['async', 'sync'] as const) {
  const client = [program, half];
  const run = (...lines: string[]): Promise<Outcome[]> => runScenarios({ client }, ...lines);
  const scenarios = half === 'async' ? [...unaryScenarios, ...streamScenarios] : unaryScenarios;

  describe(`Rust (${half}) client`, { skip }, () => {
    for (const [name, line, outcome] of scenarios) {
      test(`a Rust (${half}) client meets ${name} with our server`, async () => {
        assert.deepEqual(await run(line), [outcome]);
      });
    }

    test(`a Rust (${half}) client makes 5000 calls from several threads, none of which is refused`, async () => {
      const lines = Array.from({ length: 5 }, () => 'concurrent');
      assert.deepEqual(
        await run(...lines),
        lines.map(() => ok(1000)),
      );
    });

    test(`a Rust (${half}) client goes on after every kind of outcome on one connection`, async () => {
      const outcomes = await run(...scenarios.map(([, line]) => line), 'echo 7');
      assert.deepEqual(outcomes, [...scenarios.map(([, , outcome]) => outcome), ok(7)]);
    });

    test(`a Rust (${half}) client refuses a request above 4 MiB itself, and goes on`, async () => {
      const [refused, next] = await run('echo 4194304', 'echo 1');
      assert.equal(refused?.code, -1);
      assert.match(refused.error, /^ttrpc err: message length \d+ exceed maximum message size of 4194304$/);
      assert.deepEqual(next, ok(1));
    });

    test(`a Rust (${half}) client gets ResourceExhausted for an answer above 4 MiB, and goes on`, async () => {
      const error = 'message length 4194314 exceed maximum message size of 4194304';
      const outcomes = await run(fail(Kind.OVERSIZE_REPLY), 'echo 1');
      assert.deepEqual(outcomes, [failed(Code.ResourceExhausted, error), ok(1)]);
    });

    test(`a Rust (${half}) client meets its deadline and goes on`, async () => {
      const [late, next] = await run('deadline', 'echo 1');
      // Its own or the server's, whichever comes first.
      assert.match(late?.error ?? '', /deadline elapsed$|timed out|^context deadline exceeded$/);
      assert.deepEqual(next, ok(1));
    });

    test(`a Rust (${half}) client's metadata and timeout reach our handler`, async () => {
      const metadata = ['one=1', 'two=a', 'two=b'];
      assert.deepEqual(await run('describe'), [ok([metadata, 60_000_000_000])]);
    });
  });
}

describe('Rust (async) client', { skip }, () => {
  test("a Rust (async) client's metadata and timeout reach our handlers of streams", async () => {
    const seen: string[] = [];
    const observe: ServerInterceptor = (next) => async (call) => {
      const metadata = [...call.metadata].map((pair) => pair.join('=')).toSorted();
      seen.push(`${call.method.name} ${metadata.join()} ${call.context.timeoutNano}`);
      return next(call);
    };
    const serverOptions = { interceptors: [observe] };
    await runScenarios({ client: [program, 'async'], serverOptions }, 'repeat {}', 'count []', 'chat []');
    const each = 'one=1,two=a,two=b 60000000000';
    assert.deepEqual(seen, [`Repeat ${each}`, `Count ${each}`, `Chat ${each}`]);
  });
});
