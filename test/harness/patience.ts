// What a busy machine must not turn into a failure: limits of the product, far beyond what any test waits for.

/** Keeps a host without sandboxes, in the environment of `start`. */
export const PATIENT_HOST = { CONTAINERD_SHIM_VIRTIOFS_IDLE_TIMEOUT_MS: '600000' };

/** Lets a daemon take its time to be ready, in the table of the virtiofs plugin. */
export const PATIENT_DAEMON = 'virtio_fs_start_timeout_ms = 600000';
