import type { ServerInterceptor } from 'ttrpc-ts';
import type { Host } from '../host/host.ts';

/** They wait by themselves for the one sandbox that they are of, where another host left that. */
const CREATING = new Set(['Open', 'CreateSandbox']);

/** Has calls wait until the host has adopted what another one left; from then on it costs nothing. */
export function afterAdoption({ adopted }: Pick<Host, 'adopted'>): ServerInterceptor {
  let isAdopted = false;
  void adopted.then(() => (isAdopted = true));
  return (next) => async (call) => {
    if (!isAdopted && !CREATING.has(call.method.name)) await adopted;
    return next(call);
  };
}
