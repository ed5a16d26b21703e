/**
 * On whose behalf a sandbox and its shares are there: containerd by its `shim` or by the sandbox `controller`, a caller of
 * the share service (`api`), or a program with a host of its own (`library`).
 */
export const SHARE_OWNERS = ['shim', 'controller', 'library', 'api'] as const;

/** One of {@link SHARE_OWNERS}; a later host decides by it who may adopt a share. */
export type ShareOwner = (typeof SHARE_OWNERS)[number];
