import type { ShareSnapshot } from '../../../src/host/share-snapshot.ts';

/** What a host could tell of a share. */
export const snapshot = (tag: string): ShareSnapshot => ({
  namespace: 'default',
  sandboxId: 'sb',
  tag,
  owner: 'api',
  readOnly: false,
  sharedFs: 'virtio-fs',
  state: 'waiting',
  pid: 1,
  socketPath: '/s',
  sharedDir: '/d',
  queueSize: 1,
  lastLines: [],
  adopted: false,
  createdAt: new Date(),
});
