import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Sandbox } from '../../host/contract.ts';
import type { SandboxEvent } from '../../host/sandbox-events.ts';
import {
  SandboxCreateSchema,
  SandboxExitSchema,
  SandboxStartSchema,
} from '../../proto/containerd/sandbox-events_pb.ts';
import { envelopeOf, type Envelope } from './envelope.ts';

/** CRI's namespace (containerd, internal/cri/constants). */
const CRI_NAMESPACE = 'k8s.io';

/**
 * What is to be published of sandboxes, which is what containerd does not publish itself. To the clients of its gRPC
 * service it publishes the creation and the start of each sandbox, and its end once for each that waits for it there. Of
 * CRI's sandboxes it publishes nothing, and of those that are made without it.
 */
export interface SandboxNews {
  onEvent(event: SandboxEvent): void;
  /** containerd had a sandbox made. */
  created(sandbox: Sandbox, by: { readonly cri: boolean }): void;
  /** containerd had a sandbox started. */
  started(sandbox: Sandbox): void;
  /** containerd waits for a sandbox's end, until disposal. */
  awaited(sandbox: Sandbox): Disposable;
}

/** Where news go, and what is none: what ended before `since`. */
export interface SandboxNewsParts {
  readonly publish: (envelope: Envelope) => void;
  readonly since: Date;
}

/** Creates it. */
export const createSandboxNews = (parts: SandboxNewsParts): SandboxNews => new UnpublishedNews(parts);

class UnpublishedNews implements SandboxNews {
  readonly #publish: (envelope: Envelope) => void;
  readonly #since: Date;
  /** True for those of CRI. */
  readonly #isCris = new WeakMap<Sandbox, boolean>();
  readonly #waits = new Set<{ readonly sandbox: Sandbox }>();

  constructor({ publish, since }: SandboxNewsParts) {
    this.#publish = publish;
    this.#since = since;
  }

  onEvent({ type, time, sandbox }: SandboxEvent): void {
    if (type === 'created' && !isContainerds(sandbox)) this.#publishCreation(sandbox, time);
    if (type === 'ended' && !this.#isAwaited(sandbox) && !this.#isOld(sandbox))
      this.#publishExit(sandbox, time);
  }

  created(sandbox: Sandbox, { cri }: { readonly cri: boolean }): void {
    this.#isCris.set(sandbox, cri);
    if (cri) this.#publishCreation(sandbox, new Date());
  }

  started(sandbox: Sandbox): void {
    if (!this.#isOfCri(sandbox)) return;
    const { namespace, sandboxId } = sandbox;
    const head = { namespace, topic: '/sandboxes/start', time: new Date() };
    this.#publish(envelopeOf(head, SandboxStartSchema, { sandboxId }));
  }

  awaited(sandbox: Sandbox): Disposable {
    const wait = { sandbox };
    this.#waits.add(wait);
    return { [Symbol.dispose]: () => void this.#waits.delete(wait) };
  }

  #publishCreation({ namespace, sandboxId }: Sandbox, time: Date): void {
    const head = { namespace, topic: '/sandboxes/create', time };
    this.#publish(envelopeOf(head, SandboxCreateSchema, { sandboxId }));
  }

  #publishExit({ namespace, sandboxId, exit }: Sandbox, time: Date): void {
    if (!exit) return;
    const { exitStatus, exitedAt } = exit;
    const message = { sandboxId, exitStatus, exitedAt: timestampFromDate(exitedAt) };
    this.#publish(envelopeOf({ namespace, topic: '/sandboxes/exit', time }, SandboxExitSchema, message));
  }

  /** An adopted sandbox has its end on record; one of an older state ends anew by what ended in it. */
  #isOld(sandbox: Sandbox): boolean {
    const { failed, cause, exitedAt } = sandbox.exit ?? {};
    if (exitedAt && exitedAt < this.#since) return true;
    if (failed) return failed.exit.exitedAt < this.#since;
    if (cause !== 'disconnected') return false;
    return sandbox
      .snapshots()
      .every(({ exit }) => exit !== undefined && new Date(exit.exitedAt) < this.#since);
  }

  /** containerd publishes its end then. */
  #isAwaited(sandbox: Sandbox): boolean {
    if (!isContainerds(sandbox) || this.#isOfCri(sandbox)) return false;
    return [...this.#waits].some((wait) => wait.sandbox === sandbox);
  }

  /** Of one that another host had, its namespace tells. */
  #isOfCri(sandbox: Sandbox): boolean {
    return this.#isCris.get(sandbox) ?? sandbox.namespace === CRI_NAMESPACE;
  }
}

/** Others ask this host itself. */
const isContainerds = ({ owner }: Sandbox): boolean => owner !== 'api' && owner !== 'library';
