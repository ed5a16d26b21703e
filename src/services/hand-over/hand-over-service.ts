import type { MessageInitShape } from '@bufbuild/protobuf';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Code, StatusError, type ServiceImpl } from 'ttrpc-ts';
import type { Host } from '../../host/host.ts';
import type {
  HandOverRequest,
  HandOverRequest_Ask,
  HandOverResponseSchema,
  Host as HostService,
} from '../../proto/host/host_pb.ts';
import { VERSION } from '../view.ts';
import type { Gate } from './gate.ts';

/** A host that has taken over from this one. */
export interface Successor {
  readonly pid: number;
  readonly version: string;
}

/** What a host hands over with. */
export interface HandOverParts {
  readonly host: Pick<Host, 'sandboxes' | 'log'>;
  readonly gate: Gate;
  /** Where the controller is served. @default nowhere */
  readonly grpcAddress: string | undefined;
  /** Has callers find this host again. */
  readonly resume: () => Promise<void>;
  /** Called when this host is to end, its shares alive. */
  readonly onHandedOver: (successor: Successor) => void;
}

/** Serves another host that is to take over from this one. */
export function createHandOverService(parts: HandOverParts): ServiceImpl<typeof HostService> {
  let asking: Successor | undefined;
  return {
    async *handOver(requests, { signal }) {
      const steps = requests[Symbol.asyncIterator]();
      const ask = await readAsk(steps);
      if (asking) throw refusal(`another host takes over already (pid ${asking.pid})`);
      asking = ask;
      try {
        yield* handOver(ask, steps, { ...parts, signal });
      } finally {
        asking = undefined;
      }
    },
  };
}

type Answer = MessageInitShape<typeof HandOverResponseSchema>;

async function* handOver(
  ask: HandOverRequest_Ask,
  steps: AsyncIterator<HandOverRequest>,
  { host, gate, grpcAddress = '', resume, onHandedOver, signal }: HandOverParts & { signal: AbortSignal },
): AsyncGenerator<Answer> {
  const { pid, version, finishMs } = ask;
  const lostPods = requirePods(host, ask);
  host.log.info({ pid, version, lostPods }, 'Another host is to take over from this one');
  let isDone = false;
  try {
    yield {
      step: { case: 'accepted', value: { pid: process.pid, version: VERSION, lostPods, grpcAddress } },
    };
    await gate.close(AbortSignal.any([signal, AbortSignal.timeout(finishMs)]));
    // Some may have been created meanwhile.
    requirePods(host, ask);
    yield { step: { case: 'idle', value: {} } };
    const { value } = (await steps.next()) as IteratorResult<HandOverRequest, undefined>;
    // A caller that gave up while this process stood still has said so and closed: that is read a turn later.
    await nextTurn();
    await nextTurn();
    signal.throwIfAborted();
    if (value?.step.case !== 'letGo') throw refusal('the other host did not say that it can');
    isDone = true;
    onHandedOver({ pid, version });
  } finally {
    if (!isDone) {
      host.log.warn({ pid, version }, 'The other host does not take over; this one goes on');
      try {
        await resume();
      } catch (err) {
        host.log.error({ err }, 'Cannot take back the place of this host');
      } finally {
        gate.open();
      }
    }
  }
}

async function readAsk(steps: AsyncIterator<HandOverRequest>): Promise<HandOverRequest_Ask> {
  const { value } = (await steps.next()) as IteratorResult<HandOverRequest, undefined>;
  if (value?.step.case === 'ask') return value.step.value;
  throw new StatusError(Code.InvalidArgument, 'Say first who asks');
}

/** How many pods are lost. @throws StatusError FailedPrecondition where some are and the caller does not force it */
function requirePods({ sandboxes }: Pick<Host, 'sandboxes'>, { force }: HandOverRequest_Ask): number {
  const pods = sandboxes.list().filter(({ owner, exit }) => owner === 'shim' && !exit);
  if (pods.length === 0 || force) return pods.length;
  const [first] = pods;
  throw refusal(
    `${pods.length} ${pods.length === 1 ? 'pod' : 'pods'} of containerd's shim would be lost ` +
      `("${first?.namespace}/${first?.sandboxId}"${pods.length === 1 ? '' : ', …'}), as containerd takes them for dead ` +
      'when this host ends: remove them first, or lose them with --force',
  );
}

const refusal = (why: string): StatusError =>
  new StatusError(Code.FailedPrecondition, `Cannot hand over: ${why}`);
