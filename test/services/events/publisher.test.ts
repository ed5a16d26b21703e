import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code, StatusError } from 'ttrpc-ts';
import { SandboxCreateSchema } from '../../../src/proto/containerd/sandbox-events_pb.ts';
import { envelopeOf, type Envelope } from '../../../src/services/events/envelope.ts';
import { createPublisher, MAX_WAITING_EVENTS } from '../../../src/services/events/publisher.ts';
import { captureLog } from '../../harness/captured-log.ts';
import { serveFakeEvents, type FakeEvents } from '../../harness/containerd/fake-events.ts';
import { eventually } from '../../harness/eventually.ts';
import { fixture } from '../../harness/fixtures.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

const eventOf = (number: number): Envelope =>
  envelopeOf({ namespace: 'default', topic: '/sandboxes/create', time: new Date() }, SandboxCreateSchema, {
    sandboxId: `sb${number}`,
  });
const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);
const takenBy = ({ taken }: FakeEvents): unknown[] => taken.map(({ message }) => message['sandbox_id']);
const idsOf = (from: number, to: number): string[] => numbers(from, to).map((number) => `sb${number}`);

const publishIn = (path: string) =>
  execa(process.execPath, [fixture('publishes-event.ts'), path], { reject: false });

const AWAY = 'containerd takes no events; they wait for it';
const CAUGHT_UP = 'containerd has taken the events that waited';

describe('createPublisher()', () => {
  test('publishes in order, and leaves no connection', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'c.sock');
    await using containerd = await serveFakeEvents(path);
    const { log, lines } = captureLog();
    const publisher = createPublisher({ address: () => path, log });
    for (const number of numbers(1, 50)) publisher.publish(eventOf(number));
    await eventually('all are there', () => containerd.taken.length === 50);
    assert.deepEqual(takenBy(containerd), idsOf(1, 50));
    await publisher[Symbol.asyncDispose]();
    await eventually('the connection is gone', () => containerd.connections() === 0);
    assert.deepEqual(lines, []);
  });

  test('publishes what happened while containerd was away, once and in order, and tells it in two lines', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'c.sock');
    const { log, lines, withMessage } = captureLog();
    await using publisher = createPublisher({ address: () => path, log });
    {
      await using containerd = await serveFakeEvents(path);
      publisher.publish(eventOf(1));
      await eventually('the first is there', () => containerd.taken.length === 1);
    }
    for (const number of numbers(2, 20)) publisher.publish(eventOf(number));
    await eventually('its absence is noticed', () => withMessage(AWAY).length === 1);
    publisher.publish(eventOf(21));
    await using containerd = await serveFakeEvents(path);
    await eventually('all are there', () => takenBy(containerd).includes('sb21'));
    publisher.publish(eventOf(22));
    await eventually('so is the next', () => takenBy(containerd).includes('sb22'));
    // The answer to the first may have been on its way.
    assert.deepEqual(
      takenBy(containerd).filter((id) => id !== 'sb1'),
      idsOf(2, 22),
    );
    assert.deepEqual(
      lines.map(({ level, msg, address, lost }) => ({ level, msg, address, lost })),
      [
        { level: 'warn', msg: AWAY, address: path, lost: undefined },
        { level: 'info', msg: CAUGHT_UP, address: path, lost: 0 },
      ],
    );
  });

  test('keeps the newest events, and counts the others', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'c.sock');
    const { log, withMessage } = captureLog();
    await using publisher = createPublisher({ address: () => path, log });
    for (const number of numbers(1, MAX_WAITING_EVENTS + 10)) publisher.publish(eventOf(number));
    await eventually('its absence is noticed', () => withMessage(AWAY).length === 1);
    await using containerd = await serveFakeEvents(path);
    await eventually('all that are left are there', () => withMessage(CAUGHT_UP).length === 1);
    assert.equal(withMessage(CAUGHT_UP)[0]?.['lost'], 10);
    assert.deepEqual(takenBy(containerd), idsOf(11, MAX_WAITING_EVENTS + 10));
  });

  test('goes on behind an event that containerd refuses, and tells of the first of a series', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'c.sock');
    await using containerd = await serveFakeEvents(path, {
      refuse: ({ message }) =>
        ['sb2', 'sb3'].includes(String(message['sandbox_id']))
          ? new StatusError(Code.InvalidArgument, 'envelope topic: it is a teapot')
          : undefined,
    });
    const { log, lines } = captureLog();
    await using publisher = createPublisher({ address: () => path, log });
    for (const number of numbers(1, 5)) publisher.publish(eventOf(number));
    await eventually('the last is there', () => containerd.taken.length === 3);
    assert.deepEqual(takenBy(containerd), ['sb1', 'sb4', 'sb5']);
    assert.deepEqual(
      lines.map(({ level, msg, topic, reason }) => ({ level, msg, topic, reason })),
      [
        {
          level: 'warn',
          msg: 'containerd refused an event',
          topic: '/sandboxes/create',
          reason: 'envelope topic: it is a teapot',
        },
      ],
    );
  });

  test('ends beside a containerd that answers nothing, and takes no further event', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'c.sock');
    const { promise: until, resolve } = Promise.withResolvers<void>();
    await using containerd = await serveFakeEvents(path, { until });
    const publisher = createPublisher({ address: () => path, log: captureLog().log });
    publisher.publish(eventOf(1));
    await eventually('it is connected', () => containerd.connections() === 1);
    await publisher[Symbol.asyncDispose]();
    await eventually('the connection is gone', () => containerd.connections() === 0);
    publisher.publish(eventOf(2));
    resolve();
    await using next = createPublisher({ address: () => path, log: captureLog().log });
    next.publish(eventOf(3));
    await eventually('the next one publishes', () => takenBy(containerd).includes('sb3'));
    assert.equal(takenBy(containerd).includes('sb2'), false);
  });

  test('publishes before it ends what a containerd that answers has not taken yet', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'c.sock');
    await using containerd = await serveFakeEvents(path);
    const publisher = createPublisher({ address: () => path, log: captureLog().log });
    publisher.publish(eventOf(1));
    await eventually('the first is there', () => containerd.taken.length === 1);
    for (const number of numbers(2, 4)) publisher.publish(eventOf(number));
    await publisher[Symbol.asyncDispose]();
    assert.deepEqual(takenBy(containerd), idsOf(1, 4));
  });

  test('follows its address, and keeps the events until it has one', async () => {
    await using directory = await temporaryDirectory();
    let path: string | undefined;
    const { log, lines } = captureLog();
    await using publisher = createPublisher({ address: () => path, log });
    publisher.publish(eventOf(1));
    for (const name of ['a', 'b']) {
      // oxlint-disable no-await-in-loop -- one after the other
      path = join(directory.path, name);
      await using containerd = await serveFakeEvents(path);
      publisher.wake();
      await eventually('the event is there', () => containerd.taken.length === 1);
      path = undefined;
      publisher.publish(eventOf(2));
      // oxlint-enable no-await-in-loop
    }
    assert.deepEqual(lines, []);
  });

  test('keeps no process alive while containerd is away', async () => {
    await using directory = await temporaryDirectory();
    const program = publishIn(join(directory.path, 'c.sock'));
    let output = '';
    program.stdout.on('data', (data: Buffer) => void (output += data.toString()));
    await eventually('its absence is noticed', () => output.includes(AWAY));
    program.stdin.end();
    assert.equal((await program).exitCode, 0);
  });

  test('keeps no process alive while containerd answers nothing', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'c.sock');
    const { promise: until } = Promise.withResolvers<void>();
    await using containerd = await serveFakeEvents(path, { until });
    const program = publishIn(path);
    await eventually('it is connected', () => containerd.connections() === 1);
    program.stdin.end();
    assert.equal((await program).exitCode, 0);
  });

  test('keeps no process alive when all is published', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'c.sock');
    await using containerd = await serveFakeEvents(path);
    const program = publishIn(path);
    await eventually('the event is there', () => containerd.taken.length === 1);
    assert.equal(containerd.connections(), 1);
    program.stdin.end();
    assert.equal((await program).exitCode, 0);
  });
});
