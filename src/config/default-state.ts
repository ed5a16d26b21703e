/** Where a host keeps its state unless it is told otherwise. */
export const DEFAULT_STATE = '/run/containerd-shim-virtiofs';
