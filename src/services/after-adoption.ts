import type { ServerInterceptor } from 'ttrpc-ts';
import type { Host } from '../host/host.ts';

/** Has calls wait until the host has adopted what another one left; from then on it costs nothing. */
export function afterAdoption({ adopted }: Pick<Host, 'adopted'>): ServerInterceptor {
  let isAdopted = false;
  void adopted.then(() => (isAdopted = true));
  return (next) => (call) => {
    if (isAdopted) return next(call);
    return adopted.then(() => next(call));
  };
}
