import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate, type Timestamp } from '@bufbuild/protobuf/wkt';
import { Code, StatusError } from 'ttrpc-ts';
import { abortable } from '../async/abortable.ts';
import type { Sandbox, SandboxRequest } from '../host/contract.ts';
import type { Host } from '../host/host.ts';
import type { MetricSchema } from '../proto/containerd/metric_pb.ts';
import type { CallOptions } from '../share/contract.ts';
import { closed } from './closing.ts';
import type { ContainerdEvents } from './events/publish-events.ts';
import { createMeter } from './metrics.ts';
import { createUnstarted } from './unstarted.ts';
import { pidOf, statusOf, type SandboxView } from './view.ts';

/** A sandbox's name as a call of containerd has it. */
export interface SandboxName {
  readonly namespace: string;
  readonly sandboxId: string;
}

/** How a sandbox is created. */
export interface CreateOptions extends CallOptions {
  /** When the caller stops waiting; undefined where it waits for ever. */
  readonly deadline: Date | undefined;
}

/** What containerd asks of a sandbox, whether by its shim or by its controller. Disposal ends what goes on beside the calls. */
export interface SandboxCalls extends Disposable {
  create(request: SandboxRequest, options: CreateOptions): Promise<Sandbox>;
  /** Waits until all daemons are ready. @throws StatusError FailedPrecondition with the words of one that has ended */
  start(name: SandboxName, options: CallOptions): Promise<{ pid: number; createdAt: Timestamp }>;
  platform(): { os: string; architecture: string };
  stop(name: SandboxName): Promise<void>;
  /** Waits until the sandbox ends. */
  wait(name: SandboxName, options: CallOptions): Promise<{ exitStatus: number; exitedAt: Timestamp }>;
  status(name: SandboxName, options: { verbose: boolean }): SandboxView;
  metrics(name: SandboxName): MessageInitShape<typeof MetricSchema>;
  /** Ends the sandbox and forgets it; an unknown one is no error. */
  shutdown(name: SandboxName): Promise<void>;
  /** @throws StatusError NotFound */
  require(name: SandboxName): void;
}

/** Creates the calls over a host's sandboxes. But for `create` and `shutdown` all throw NotFound for an unknown one. */
export function createSandboxCalls(
  host: Pick<Host, 'sandboxes' | 'adopted' | 'log'>,
  events: Pick<ContainerdEvents, 'created' | 'started' | 'awaited'>,
): SandboxCalls {
  const find = ({ namespace, sandboxId }: SandboxName): Sandbox => host.sandboxes.get(namespace, sandboxId);
  const readMetrics = createMeter();
  const unstarted = createUnstarted(host);
  const watch = (sandbox: Sandbox): void => {
    if (sandbox.startBy) unstarted.add(sandbox, sandbox.startBy);
  };
  void host.adopted.then(() => host.sandboxes.list().forEach(watch));
  return {
    async create(request, { signal, deadline }) {
      const startBy = request.pod && deadline;
      const sandbox = await host.sandboxes.create({ ...request, startBy }, { signal });
      watch(sandbox);
      events.created(sandbox, { cri: request.pod !== undefined });
      return sandbox;
    },
    async start(name, { signal }) {
      const sandbox = find(name);
      unstarted.remove(sandbox);
      await abortable(Promise.all(sandbox.shares.map(({ ready }) => ready)), signal);
      requireRunning(sandbox);
      sandbox.noteStarted();
      events.started(sandbox);
      return { pid: pidOf(sandbox), createdAt: timestampFromDate(sandbox.createdAt) };
    },
    platform: () => ({ os: 'linux', architecture: goArchitecture() }),
    async stop(name) {
      await closed(find(name)[Symbol.asyncDispose]());
    },
    async wait(name, { signal }) {
      const sandbox = find(name);
      using _ = events.awaited(sandbox);
      const { exitStatus, exitedAt } = await abortable(sandbox.ended, signal);
      return { exitStatus, exitedAt: timestampFromDate(exitedAt) };
    },
    status: (name, options) => statusOf(find(name), options),
    metrics: (name) => readMetrics(find(name)),
    async shutdown({ namespace, sandboxId }) {
      await closed(host.sandboxes.delete(namespace, sandboxId));
    },
    require: (name) => void find(name),
    [Symbol.dispose]: () => unstarted[Symbol.dispose](),
  };
}

/** A daemon that was ready and has ended since is none to start a VM on. */
function requireRunning(sandbox: Sandbox): void {
  const { sandboxId, exit } = sandbox;
  if (!exit) return requireShares(sandbox);
  const { failed, cause } = exit;
  const end = cause === 'disconnected' ? 'its VMM has left' : 'it was stopped';
  const why = failed ? `share "${failed.tag}": ${failed.exit.message}` : end;
  throw new StatusError(Code.FailedPrecondition, `Sandbox "${sandboxId}" has ended: ${why}`);
}

/** Where the end of a daemon does not end its sandbox. */
function requireShares(sandbox: Sandbox): void {
  const ended = sandbox.snapshots().find(({ exit }) => exit);
  if (!ended) return;
  const message = `Share "${ended.tag}" of sandbox "${sandbox.sandboxId}" has ended: ${ended.exit?.message}`;
  throw new StatusError(Code.FailedPrecondition, message);
}

const goArchitecture = (): string => ({ x64: 'amd64', ia32: '386' })[process.arch as string] ?? process.arch;
