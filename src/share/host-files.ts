/** Names in the state directory. */
export const HOST_FILES = {
  lock: 'host.lock',
  socket: 'host.sock',
  grpcSocket: 'grpc.sock',
  /** The address of the ttrpc services, for the shim. */
  address: 'host.address',
  /** The host's pid and start time, for the shim. */
  pid: 'host.pid',
  log: 'host.log',
  /** Held by a shim's `start` while it starts a host, and by a host while it takes over, or ends because it is idle. */
  startLock: 'start.lock',
  /** Its time is that of the last `start`. */
  lastStart: 'last-start',
  /** The fifo on which a host that a shim started tells its address. */
  announce: 'announce',
  /** Given up for a record that has no other room. */
  reserve: 'reserve',
} as const;
