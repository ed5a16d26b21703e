import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { execa } from 'execa';
import { connect, createClient } from 'ttrpc-ts';

import { Events } from '../../../src/proto/containerd/events_pb.ts';
import { SandboxCreateSchema } from '../../../src/proto/containerd/sandbox-events_pb.ts';
import { envelopeOf } from '../../../src/services/events/envelope.ts';
import { eventually } from '../eventually.ts';
import { containerdBinaries } from './containerd-binaries.ts';
import type { Containerd } from './containerd.ts';

/** An event as ctr prints it. */
export interface PrintedEvent {
  readonly namespace: string;
  readonly topic: string;
  readonly message: Readonly<Record<string, unknown>>;
}

/** `ctr events` of a test. Disposal ends it. */
export interface CtrEvents extends AsyncDisposable {
  /** What it has printed; it grows. */
  readonly events: readonly PrintedEvent[];
  /** What it says against an event. */
  complaints(this: void): string[];
  /** Waits for an event. */
  until(this: void, topic: string, sandboxId: string): Promise<void>;
  /** The topics of a sandbox's events, in order; those that begin otherwise are left out. */
  topicsOf(this: void, sandboxId: string, prefix?: string): string[];
}

const PROBE = '/harness/probe';

/** Runs `ctr events` of a containerd, and returns when it has subscribed. */
export async function watchCtrEvents(containerd: Containerd): Promise<CtrEvents> {
  const events: PrintedEvent[] = [];
  let probes = 0;
  const ctr = join(await containerdBinaries(containerd.version), 'ctr');
  const running = execa(ctr, ['-a', containerd.address, 'events'], { reject: false, stdin: 'ignore' });
  let stderr = '';
  running.stderr.on('data', (data: Buffer) => void (stderr += data.toString()));
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => {
    running.kill('SIGKILL');
    await running;
  });
  createInterface(running.stdout).on('line', (line) => {
    const event = parse(line);
    if (event.topic === PROBE) probes++;
    else events.push(event);
  });
  await eventually('ctr has subscribed', async () => {
    await probe(containerd.ttrpcAddress);
    return probes > 0;
  });
  const topicsOf: CtrEvents['topicsOf'] = (sandboxId, prefix = '/') =>
    events
      .filter(({ topic, message }) => topic.startsWith(prefix) && message['sandbox_id'] === sandboxId)
      .map(({ topic }) => topic);
  const own = stack.move();
  return {
    events,
    complaints: () => stderr.split('\n').filter((line) => line.includes('cannot')),
    until: (topic, sandboxId) =>
      eventually(`${topic} of ${sandboxId}`, () => topicsOf(sandboxId).includes(topic)),
    topicsOf,
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

async function probe(path: string): Promise<void> {
  await using transport = await connect({ path });
  const head = { namespace: 'default', topic: PROBE, time: new Date() };
  const envelope = envelopeOf(head, SandboxCreateSchema, { sandboxId: 'probe' });
  await createClient(Events, transport).forward({ envelope });
}

/** The time is Go's, with its zone twice. */
function parse(line: string): PrintedEvent {
  const [, namespace = '', topic = '', json = '{}'] = /^\S+ \S+ \S+ \S+ (\S+) (\S+) (.*)$/.exec(line) ?? [];
  return { namespace, topic, message: JSON.parse(json) as PrintedEvent['message'] };
}
