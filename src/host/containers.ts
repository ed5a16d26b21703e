import { Code, StatusError } from 'ttrpc-ts';
import type { CallOptions } from '../share/contract.ts';
import { ContainerEntry } from './container-entry.ts';
import type {
  Container,
  ContainerExit,
  ContainerRequest,
  Containers,
  Sandbox,
  Sandboxes,
} from './contract.ts';
import { containerOf } from './rootfs-mountpoint.ts';

/** What the table needs of its host. */
export interface ContainersParts {
  readonly sandboxes: Pick<Sandboxes, 'get' | 'list'>;
  /** True for a directory that the host owns, and can mount into. */
  readonly ownsSharedDirectory: (path: string) => boolean;
}

/** Creates the table of the containers whose root file systems are mounted in shares. */
export const createContainers = (parts: ContainersParts): Containers => new ContainerTable(parts);

class ContainerTable implements Containers {
  readonly #parts: ContainersParts;
  /** They go with their sandbox. Of one that was deleted its id stays. */
  readonly #known = new WeakMap<Sandbox, Map<string, ContainerEntry | undefined>>();

  constructor(parts: ContainersParts) {
    this.#parts = parts;
  }

  async create(request: ContainerRequest, options: CallOptions): Promise<Container> {
    const { namespace, sandboxId, containerId } = request;
    if (this.find(namespace, containerId))
      throw new StatusError(Code.AlreadyExists, `Container "${containerId}" exists: delete it first`);
    const sandbox = this.#parts.sandboxes.get(namespace, sandboxId);
    const entry = new ContainerEntry({ sandbox, containerId, tag: this.#tagOf(sandbox) });
    const known = this.#knownOf(sandbox);
    known.set(containerId, entry);
    try {
      await entry.mount(request, options);
    } catch (error) {
      if (known.get(containerId) === entry) known.delete(containerId);
      throw error;
    }
    return entry;
  }

  find(namespace: string, containerId: string): Container | undefined {
    return this.#find(namespace, containerId);
  }

  get(namespace: string, containerId: string): ContainerEntry {
    const found = this.#find(namespace, containerId);
    if (found) return found;
    throw new StatusError(Code.NotFound, `No container "${containerId}" in namespace "${namespace}"`);
  }

  kill(namespace: string, containerId: string, signal: number): void {
    this.get(namespace, containerId).end(128 + signal);
  }

  async delete(namespace: string, containerId: string): Promise<ContainerExit> {
    const entry = this.get(namespace, containerId);
    await entry.unmount();
    this.#knownOf(entry.sandbox).set(containerId, undefined);
    return entry.end(0);
  }

  async forget(namespace: string, containerId: string): Promise<boolean> {
    if (this.#find(namespace, containerId)) await this.delete(namespace, containerId);
    return this.#sandboxesOf(namespace).some((sandbox) => this.#known.get(sandbox)?.delete(containerId));
  }

  #find(namespace: string, containerId: string): ContainerEntry | undefined {
    const sandboxes = this.#sandboxesOf(namespace);
    for (const sandbox of sandboxes) {
      const entry = this.#known.get(sandbox)?.get(containerId);
      if (entry) return entry;
    }
    for (const sandbox of sandboxes) {
      const entry = formerEntry(sandbox, containerId);
      if (!entry) continue;
      this.#knownOf(sandbox).set(containerId, entry);
      return entry;
    }
    return undefined;
  }

  #sandboxesOf(namespace: string): readonly Sandbox[] {
    return this.#parts.sandboxes.list().filter((sandbox) => sandbox.namespace === namespace);
  }

  #knownOf(sandbox: Sandbox): Map<string, ContainerEntry | undefined> {
    const known = this.#known.get(sandbox) ?? new Map<string, ContainerEntry | undefined>();
    this.#known.set(sandbox, known);
    return known;
  }

  /** The first of its shares that can be mounted into. */
  #tagOf({ sandboxId, shares }: Sandbox): string {
    const share = shares.find(({ sharedDir }) => this.#parts.ownsSharedDirectory(sharedDir));
    if (share) return share.tag;
    const message = `Sandbox "${sandboxId}" has no share to mount into: open one without a source`;
    throw new StatusError(Code.FailedPrecondition, message);
  }
}

/** One that a former host mounted. */
function formerEntry(sandbox: Sandbox, containerId: string): ContainerEntry | undefined {
  for (const tag of sandbox.tags) {
    const mountpoints = mountpointsIn(sandbox, tag).filter(
      (mountpoint) => containerOf(mountpoint) === containerId,
    );
    if (mountpoints.length > 0) return new ContainerEntry({ sandbox, containerId, tag, mountpoints });
  }
  return undefined;
}

/** None where the share's record cannot be read: that is not to hurt containers elsewhere. */
function mountpointsIn(sandbox: Sandbox, tag: string): readonly string[] {
  try {
    return sandbox.mounts(tag).map(({ mountpoint }) => mountpoint);
  } catch {
    return [];
  }
}
