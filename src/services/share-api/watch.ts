import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Host } from '../../host/host.ts';
import type { WatchResponseSchema } from '../../proto/share/shares_pb.ts';
import { openEventQueue } from './event-queue.ts';
import { isWanted, wantedShares, type ShareFilter } from './list.ts';
import { shareMessage } from './message.ts';

/**
 * Tells of every share as it is now, then of what happens to each, until the signal aborts.
 *
 * @throws StatusError ResourceExhausted where the caller reads too slowly; the signal's reason
 */
export async function* watchShares(
  host: Pick<Host, 'sandboxes' | 'events'>,
  { filter, signal }: { filter: ShareFilter; signal: AbortSignal },
): AsyncGenerator<MessageInitShape<typeof WatchResponseSchema>> {
  using queue = openEventQueue(host.events, isWanted(filter));
  // In the same turn, so that nothing is told twice and nothing is missed.
  const present = wantedShares(host, filter);
  const time = timestampFromDate(new Date());
  for (const share of present) yield { event: 'current', time, share: shareMessage(share) };
  yield { event: 'synced', time };
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- a stream
    const event = await queue.next(signal);
    yield {
      event: event.type,
      time: timestampFromDate(event.time),
      share: shareMessage(event.share),
    };
  }
}
