import { Code, StatusError } from 'ttrpc-ts';
import { hint } from '../../config/problems.ts';
import type { Provider } from '../../share/contract.ts';

/** Refuses a cache mode that a provider does not have. @throws StatusError InvalidArgument */
export function requireCacheMode(
  { cacheModes = [] }: Provider,
  { tag, cache, sharedFs }: { readonly tag: string; readonly cache: string; readonly sharedFs: string },
): void {
  if (cacheModes.includes(cache)) return;
  const message =
    cacheModes.length === 0
      ? `Share "${tag}" asks for cache mode "${cache}", and "${sharedFs}" has no cache modes: leave it out`
      : `Share "${tag}" asks for cache mode "${cache}", which "${sharedFs}" does not have${hint(cache, cacheModes)}`;
  throw new StatusError(Code.InvalidArgument, message);
}
