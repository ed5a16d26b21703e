import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { obtainOrSkip } from '../setup/obtain.ts';
import { makeSocketDir } from '../ttrpc-ts/fixtures/socket-dir.ts';
import { startPeer } from './peer-process.ts';
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
import { createInteropServer } from './service.ts';

const { part: program = '', skip } = await obtainOrSkip('interop-go');
const client = [program];

const runWithOurs = (...lines: string[]): Promise<Outcome[]> => runScenarios({ client }, ...lines);
const runWithGo = (...lines: string[]): Promise<Outcome[]> =>
  runScenarios({ client, server: client }, ...lines);

/** What a scenario comes to with both servers. */
const same: readonly (readonly [string, string, Outcome?])[] = [
  ...unaryScenarios,
  ...streamScenarios,
  ['a request above 4 MiB, which its client refuses', 'echo 4194304'],
];

describe('Go client', { skip }, () => {
  for (const [name, scenario, expected] of same) {
    test(`a Go client meets ${name} with our server as with Go's`, async () => {
      const [[ours], [go]] = await Promise.all([runWithOurs(scenario), runWithGo(scenario)]);
      assert.deepEqual(ours, go);
      if (expected) assert.deepEqual(ours, expected);
    });
  }

  test('a Go client meets its deadline and goes on', async () => {
    const outcomes = await runWithOurs('deadline', 'expired', 'echo 1');
    // Its own or the server's, whichever comes first.
    for (const { error } of outcomes.slice(0, 2)) assert.equal(error, 'context deadline exceeded');
    assert.deepEqual(outcomes[2], ok(1));
  });

  test("a Go client's metadata and timeout reach our handler to the nanosecond", async () => {
    const outcomes = await runWithOurs('describe', 'describe', 'describe');
    const timeouts = outcomes.map(({ value }) => {
      const [metadata, timeoutNano] = value as [string[], number];
      // Go's MD literal keeps its case on the wire.
      assert.deepEqual(metadata, ['One=1', 'two=a', 'two=b']);
      // What is left of a minute, however busy the machine.
      assert.ok(timeoutNano > 0 && timeoutNano <= 60_000_000_000, `${timeoutNano}`);
      return timeoutNano;
    });
    // One may be whole microseconds by chance.
    assert.ok(
      timeouts.some((timeoutNano) => timeoutNano % 1000 !== 0),
      timeouts.join(', '),
    );
  });

  test('a Go client gets the code of system errors from our server as from its own', async () => {
    const scenarios = [fail(Kind.NOT_EXIST), fail(Kind.EXIST)];
    for (const run of [runWithOurs, runWithGo]) {
      const codes = (await run(...scenarios)).map(({ code }) => code);
      assert.deepEqual(codes, [Code.NotFound, Code.AlreadyExists]);
    }
  });

  test('a Go client gets the code of a wrapped status', async () => {
    const scenario = fail(Kind.WRAPPED_STATUS, { code: 9, message: 'inner' });
    const [ours] = await runWithOurs(scenario);
    assert.deepEqual(ours, failed(9, 'wrapped: inner'));
    assert.equal((await runWithGo(scenario))[0]?.code, 9);
  });

  test('a Go client gets ResourceExhausted for an answer above 4 MiB, and goes on', async () => {
    const outcomes = await runWithOurs(fail(Kind.OVERSIZE_REPLY), 'echo 1');
    const error = 'message length 4194314 exceed maximum message size of 4194304';
    assert.deepEqual(outcomes, [failed(Code.ResourceExhausted, error), ok(1)]);
  });

  test('a Go client goes on after every kind of error on one connection', async () => {
    const scenarios = same.map(([, scenario]) => scenario);
    const outcomes = await runWithOurs(...scenarios, 'echo 7');
    assert.deepEqual(outcomes.at(-1), ok(7));
  });

  test('a Go client gets its answers while our server shuts down, then ErrClosed', async () => {
    await using dir = await makeSocketDir();
    const server = createInteropServer();
    await server.listen({ path: dir.socket() });
    await using peer = startPeer([...client, 'client', dir.socket()]);
    assert.deepEqual(JSON.parse(await peer.ask('echo 1')), ok(1));
    const answer = peer.ask('concurrent');
    await answer;
    await server.shutdown();
    const outcome = JSON.parse(await peer.ask('echo 1')) as Outcome;
    assert.deepEqual(outcome, { value: 0, code: -1, error: 'ttrpc: closed' });
  });
});
