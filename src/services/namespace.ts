import type { Metadata } from 'ttrpc-ts';

/** Of callers that send none. */
const DEFAULT_NAMESPACE = 'default';

/** The namespace that containerd sends with each ttrpc call. */
export const namespaceOf = (metadata: Metadata): string =>
  metadata.get('containerd-namespace-ttrpc') || DEFAULT_NAMESPACE;

/** The namespace that containerd sends with each gRPC call; 2.1 sends it twice, as one text. */
export const namespaceOfHeaders = (headers: Headers): string =>
  headers.get('containerd-namespace')?.split(',')[0]?.trim() || DEFAULT_NAMESPACE;
