import { Code, StatusError } from 'ttrpc-ts';
import type { ShareRequest } from '../share/contract.ts';
import type { Plugins } from './plugins/call.ts';

/** One share of a sandbox, as its creator names it. */
export type ShareSpec = Pick<ShareRequest, 'tag'> &
  Partial<Pick<ShareRequest, 'source' | 'readOnly' | 'cache' | 'sharedFs'>>;

/** @throws StatusError InvalidArgument where two shares have one tag */
export function requireUniqueTags(shares: readonly ShareSpec[]): void {
  const tags = shares.map(({ tag }) => tag);
  const twice = tags.find((tag, index) => tags.indexOf(tag) !== index);
  if (twice === undefined) return;
  throw new StatusError(
    Code.InvalidArgument,
    `Tag "${twice}" is used twice: give each share a tag of its own`,
  );
}

/** @throws StatusError InvalidArgument for a cache mode that the share's provider does not have */
export function requireCacheModes(
  shares: readonly ShareSpec[],
  profile: { readonly plugins: Pick<Plugins, 'requireCacheMode'>; readonly sharedFs: string },
): void {
  for (const { tag, cache, sharedFs = profile.sharedFs } of shares)
    if (cache !== undefined) profile.plugins.requireCacheMode(sharedFs, { tag, cache });
}
