import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { makeSocketDir } from '../ttrpc-ts/fixtures/socket-dir.ts';
import { buildGoProgram } from './go-program.ts';
import { startGo, startGoServer } from './go-process.ts';
import { Failure_Kind as Kind } from './proto/interop_pb.ts';
import { createInteropServer } from './service.ts';

const { part: program = '', skip } = await buildGoProgram();

interface Outcome {
  readonly value: unknown;
  readonly code: number;
  readonly error: string;
}

/** Runs scenarios of the Go client against our server or Go's. */
async function runScenarios(server: 'ours' | 'Go', ...scenarios: string[]): Promise<Outcome[]> {
  await using stack = new AsyncDisposableStack();
  const socket = stack.use(await makeSocketDir()).socket();
  if (server === 'ours') await stack.use(createInteropServer()).listen({ path: socket });
  else stack.use(await startGoServer(program, socket));
  const client = stack.use(startGo(program, ['client', socket]));
  const outcomes: Outcome[] = [];
  for (const scenario of scenarios) outcomes.push(JSON.parse(await client.ask(scenario)) as Outcome);
  return outcomes;
}

const ok = (value: unknown): Outcome => ({ value, code: 0, error: '' });
const failure = (kind: Kind, rest: object = {}): string => `fail ${JSON.stringify({ kind, ...rest })}`;

/** What a scenario comes to with both servers. */
const same: [string, string, Outcome | undefined][] = [
  ['an empty message', 'echo 0', ok(0)],
  ['a message of 100 bytes', 'echo 100', ok(100)],
  ['a message of 1 MiB', 'echo 1048576', ok(1 << 20)],
  ['a request above 4 MiB, which its client refuses', 'echo 4194304', undefined],
  ['1000 calls at once', 'concurrent', ok(1000)],
  [
    'an unknown service',
    'unknown-service',
    { value: null, code: Code.Unimplemented, error: 'service no.Such' },
  ],
  ['an unknown method', 'unknown-method', { value: null, code: Code.Unimplemented, error: 'method Nope' }],
  ['a stream of answers', 'repeat {"count":100,"size":10}', ok(Array.from({ length: 100 }).fill(10))],
  ['a stream of empty answers', 'repeat {"count":3,"size":0}', ok([0, 0, 0])],
  ['a stream of no answers', 'repeat {}', ok([])],
  [
    'a stream of large answers',
    'repeat {"count":4,"size":1000000}',
    ok(Array.from({ length: 4 }).fill(1_000_000)),
  ],
  ['a stream of requests', 'count [1,2,3,0]', ok([4, 6])],
  ['a stream of no requests', 'count []', ok([0, 0])],
  ['a stream both ways', 'chat [1,0,100,70000]', ok([1, 0, 100, 70_000])],
  ['an empty stream both ways', 'chat []', ok([])],
  [
    'a status from a handler',
    failure(Kind.STATUS, { code: 9, message: 'not now' }),
    { value: null, code: 9, error: 'not now' },
  ],
  ['a plain error', failure(Kind.PLAIN, { message: 'oops' }), { value: null, code: 2, error: 'oops' }],
  ['a cancelled handler', failure(Kind.CANCELED), { value: null, code: 1, error: 'context canceled' }],
  [
    'a handler out of time',
    failure(Kind.DEADLINE),
    { value: null, code: 4, error: 'context deadline exceeded' },
  ],
  ['a permission error', failure(Kind.PERMISSION), { value: null, code: 7, error: 'permission denied' }],
  ['no reply', failure(Kind.NIL_REPLY), { value: null, code: 2, error: 'ttrpc: marshal called with nil' }],
];

suite('Go client', { skip }, () => {
  for (const [name, scenario, expected] of same) {
    test(`a Go client meets ${name} with our server as with Go's`, async () => {
      const [[ours], [go]] = await Promise.all([
        runScenarios('ours', scenario),
        runScenarios('Go', scenario),
      ]);
      assert.deepEqual(ours, go);
      if (expected) assert.deepEqual(ours, expected);
    });
  }

  test('a Go client meets its deadline and goes on', async () => {
    const outcomes = await runScenarios('ours', 'deadline', 'expired', 'echo 1');
    // Its own or the server's, whichever comes first.
    for (const { error } of outcomes.slice(0, 2)) assert.equal(error, 'context deadline exceeded');
    assert.deepEqual(outcomes[2], ok(1));
  });

  test("a Go client's metadata and timeout reach our handler to the nanosecond", async () => {
    const [outcome] = await runScenarios('ours', 'describe');
    const [metadata, timeoutNano] = outcome!.value as [string[], number];
    // Go's MD literal keeps its case on the wire.
    assert.deepEqual(metadata, ['One=1', 'two=a', 'two=b']);
    assert.ok(
      timeoutNano > 59_000_000_000 && timeoutNano <= 60_000_000_000 && timeoutNano % 1000 !== 0,
      `${timeoutNano}`,
    );
  });

  test('a Go client gets the code of system errors from our server as from its own', async () => {
    const scenarios = [failure(Kind.NOT_EXIST), failure(Kind.EXIST)];
    for (const server of ['ours', 'Go'] as const) {
      const codes = (await runScenarios(server, ...scenarios)).map(({ code }) => code);
      assert.deepEqual(codes, [Code.NotFound, Code.AlreadyExists]);
    }
  });

  test('a Go client gets the code of a wrapped status', async () => {
    const scenario = failure(Kind.WRAPPED_STATUS, { code: 9, message: 'inner' });
    const [ours] = await runScenarios('ours', scenario);
    assert.deepEqual(ours, { value: null, code: 9, error: 'wrapped: inner' });
    assert.equal((await runScenarios('Go', scenario))[0]?.code, 9);
  });

  test('a Go client gets ResourceExhausted for an answer above 4 MiB, and goes on', async () => {
    const outcomes = await runScenarios('ours', failure(Kind.OVERSIZE_REPLY), 'echo 1');
    const error = 'message length 4194314 exceed maximum message size of 4194304';
    assert.deepEqual(outcomes, [{ value: null, code: Code.ResourceExhausted, error }, ok(1)]);
  });

  test('a Go client goes on after every kind of error on one connection', async () => {
    const scenarios = same.map(([, scenario]) => scenario);
    const outcomes = await runScenarios('ours', ...scenarios, 'echo 7');
    assert.deepEqual(outcomes.at(-1), ok(7));
  });

  test('a Go client gets its answers while our server shuts down, then ErrClosed', async () => {
    await using dir = await makeSocketDir();
    const server = createInteropServer();
    await server.listen({ path: dir.socket() });
    await using client = startGo(program, ['client', dir.socket()]);
    assert.deepEqual(JSON.parse(await client.ask('echo 1')), ok(1));
    const answer = client.ask('concurrent');
    await answer;
    await server.shutdown();
    const outcome = JSON.parse(await client.ask('echo 1')) as Outcome;
    assert.deepEqual(outcome, { value: 0, code: -1, error: 'ttrpc: closed' });
  });
});
