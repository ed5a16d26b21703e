import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, connect, createClient, StatusError } from 'ttrpc-ts';
import { abortable } from '../../async/abortable.ts';
import { within } from '../../async/within.ts';
import {
  Host as HostService,
  type HandOverRequestSchema,
  type HandOverResponse_Accepted,
} from '../../proto/host/host_pb.ts';
import type { ProcessIdentity } from '../../proc/stat.ts';
import { VERSION } from '../view.ts';

/** How a host takes over. */
export interface TakeOverOptions {
  /** Also where pods of containerd's shim are lost. */
  readonly force: boolean;
  /** How long the other host may take to let go, in milliseconds. Half of it is for the calls that it has. */
  readonly timeoutMs: number;
  /** Gives up where the other host was not told to let go. */
  readonly signal: AbortSignal;
}

/** A host that is to hand over. */
export interface FormerHost {
  readonly identity: ProcessIdentity;
  readonly address: string;
}

/** What another host is asked, step by step. Disposal before {@link letGo} has it go on. */
export interface AskedHost extends AsyncDisposable {
  /** Resolves when it keeps further calls waiting. @throws what it says; StatusError DeadlineExceeded */
  accepted(): Promise<HandOverResponse_Accepted>;
  /** Resolves when it has no call in flight. @throws as {@link accepted} */
  idle(): Promise<void>;
  /** Tells it to end. */
  letGo(): void;
}

/**
 * Asks a host to hand over.
 *
 * @throws StatusError Unavailable where it cannot be reached, DeadlineExceeded where it does not take the connection; the
 *   signal's reason
 */
export async function askFormer(
  { identity: { pid }, address }: FormerHost,
  { force, timeoutMs, signal, endsAt }: TakeOverOptions & { endsAt: number },
): Promise<AskedHost> {
  const inTime = <T>(what: string, step: Promise<T>): Promise<T> =>
    within(Math.max(1, endsAt - performance.now()), abortable(step, signal), () =>
      tooLate(pid, what, timeoutMs),
    );
  const transport = await inTime('is not reached', connect({ path: address }));
  const going = Promise.withResolvers<void>();
  async function* requests(): AsyncGenerator<MessageInitShape<typeof HandOverRequestSchema>> {
    const finishMs = Math.ceil(timeoutMs / 2);
    yield { step: { case: 'ask', value: { pid: process.pid, version: VERSION, finishMs, force } } };
    await going.promise;
    yield { step: { case: 'letGo', value: {} } };
  }
  const answers = createClient(HostService, transport).handOver(requests())[Symbol.asyncIterator]();
  const next = async (what: string): ReturnType<typeof answers.next> => {
    try {
      return await inTime(what, answers.next());
    } catch (error) {
      throw StatusError.is(error) && error.code === Code.Unimplemented ? cannot(pid, error) : error;
    }
  };
  return {
    async accepted() {
      const { value } = await next('does not answer');
      if (value?.step.case === 'accepted') return value.step.value;
      throw unexpected(pid);
    },
    async idle() {
      const { value } = await next('does not finish its calls');
      if (value?.step.case !== 'idle') throw unexpected(pid);
    },
    letGo: () => going.resolve(),
    [Symbol.asyncDispose]: () => transport.close(),
  };
}

const REMEDY = 'end it (SIGKILL leaves its shares alive), and start this one';

/** Says that a host takes too long. */
export const tooLate = (pid: number, what: string, ms: number): StatusError =>
  new StatusError(Code.DeadlineExceeded, `Cannot take over: host ${pid} ${what} within ${ms} ms: ${REMEDY}`);

const cannot = (pid: number, cause: unknown): StatusError =>
  new StatusError(
    Code.FailedPrecondition,
    `Cannot take over: host ${pid} cannot hand over, as it is an older one or part of another program: end it, and start this one`,
    { cause },
  );

const unexpected = (pid: number): StatusError =>
  new StatusError(Code.Internal, `Cannot take over: host ${pid} answers something else: ${REMEDY}`);
