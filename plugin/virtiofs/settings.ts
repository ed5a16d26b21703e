import type { VirtiofsConfig } from './config.ts';

/** What one virtiofsd is to serve, and how. */
export interface VirtiofsdSettings extends Omit<
  VirtiofsConfig,
  'queueSize' | 'onExit' | 'cache' | 'daemonPath'
> {
  /** Absolute path of the executable. @default the first one found */
  readonly daemonPath?: string | undefined;
  /** The directory to share. */
  readonly sourcePath: string;
  readonly readOnly: boolean;
  /** One of {@link CACHE_MODES}; checked at the start, as Kata does. */
  readonly cache: string;
}
