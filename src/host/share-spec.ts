import type { ShareRequest } from '../share/contract.ts';

/** One share of a sandbox, as its creator names it. */
export type ShareSpec = Pick<ShareRequest, 'tag'> &
  Partial<Pick<ShareRequest, 'source' | 'readOnly' | 'sharedFs'>>;
