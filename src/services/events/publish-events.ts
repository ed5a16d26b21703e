import type { Host } from '../../host/host.ts';
import { createContainerdAddress } from './containerd-address.ts';
import { createPublisher } from './publisher.ts';
import { createSandboxNews, type SandboxNews } from './sandbox-news.ts';
import { shareEnvelopes } from './share-envelope.ts';

/** Publishes what happens to a host's sandboxes and shares, by containerd. Disposal ends it. */
export interface ContainerdEvents extends Omit<SandboxNews, 'onEvent'>, AsyncDisposable {
  /** Where containerd takes events, as a shim's `start` was told. */
  told(address: string): void;
}

/** Begins to publish the events of a host: `ctr events` shows them. */
export function publishEvents(
  host: Pick<Host, 'config' | 'log' | 'events' | 'sandboxEvents'>,
): ContainerdEvents {
  const address = createContainerdAddress(host.config);
  const stack = new AsyncDisposableStack();
  const publisher = stack.use(createPublisher({ address: address.current, log: host.log }));
  // What ended earlier was told by a former host, which has it on record.
  const since = new Date();
  const news = createSandboxNews({ publish: (envelope) => publisher.publish(envelope), since });
  stack.use(host.sandboxEvents.subscribe((event) => news.onEvent(event)));
  const onShare: Parameters<Host['events']['subscribe']>[0] = (event) => {
    for (const envelope of shareEnvelopes(event, { since })) publisher.publish(envelope);
  };
  stack.use(host.events.subscribe(onShare));
  return {
    told(given) {
      const former = address.current();
      address.told(given);
      if (address.current() !== former) publisher.wake();
    },
    created: (sandbox, by) => news.created(sandbox, by),
    started: (sandbox) => news.started(sandbox),
    awaited: (sandbox) => news.awaited(sandbox),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
