import type { Metadata } from 'ttrpc-ts';

/** The namespace that containerd sends with each call; `default` for callers that send none. */
export const namespaceOf = (metadata: Metadata): string =>
  metadata.get('containerd-namespace-ttrpc') || 'default';
