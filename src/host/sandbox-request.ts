import type { Profile } from './profile.ts';
import type { SandboxIdentity } from './sandbox.ts';
import type { ShareSpec } from './share-spec.ts';

/** What is in a sandbox at its creation. */
export interface SandboxContents {
  readonly shares: readonly ShareSpec[];
  /** @default the host's own configuration */
  readonly profile?: Profile | undefined;
}

/** What makes a sandbox. */
export interface SandboxRequest extends SandboxIdentity {
  /** A function is called when the sandbox's id is taken, so that a deletion that overtakes it finds the sandbox. */
  readonly contents: SandboxContents | (() => Promise<SandboxContents>);
}
