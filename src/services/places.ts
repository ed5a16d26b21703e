import type { Host } from '../host/host.ts';
import type { SocketPlace } from './address.ts';

/** Where a host's services are to be. */
export interface Places {
  readonly ttrpc: SocketPlace;
  /** Undefined where no controller is served. */
  readonly grpc: SocketPlace | undefined;
}

/** Returns the addresses of a configuration, or their defaults in the state directory. */
export const placesOf = ({ config, stateDir }: Pick<Host, 'config' | 'stateDir'>): Places => ({
  ttrpc: { address: config.ttrpc.address ?? stateDir.host.socket, key: 'ttrpc.address' },
  grpc: config.grpc && { address: config.grpc.address ?? stateDir.host.grpcSocket, key: 'grpc.address' },
});
