import { writeFileSync } from 'node:fs';
import type { Daemon } from '../daemon/contract.ts';
import { spanOf } from '../daemon/span-of.ts';
import { daemonRecord } from './daemon-record.ts';
import { startOptions, type DaemonShareParts, type ShareContext } from './daemon-share-parts.ts';
import { isReplaceable } from './exit-policy.ts';
import { noteClient, noteEnd, recordChanger } from './keep-record.ts';
import { updateRecord } from './record.ts';
import { beginSuccession, type Succession } from './succession.ts';

/** Keeps the record of a share's daemon, and replaces it where its end and the share's policy ask for it. */
export function followDaemon(context: ShareContext, parts: DaemonShareParts): Succession {
  const { stateDir, daemons } = context;
  const { files, record, daemon: first } = parts;
  const { log } = startOptions(context, record);
  const change = recordChanger(files, { stateDir, log });
  noteClient(first, change);
  return beginSuccession({
    first,
    restarts: record.restarts,
    log,
    ending: daemons.ending,
    onEnd(exit, daemon) {
      if (exit.cause !== 'stopped') noteEnd(daemon, exit, change);
      if (record.onExit !== 'respawn' || !stateDir.isInPlace()) return false;
      return isReplaceable(exit, daemon);
    },
    onGivenUp: () => change((former) => ({ ...former, onExit: 'stop-sandbox' })),
    start: async (former, next) => {
      const daemon = await respawn(context, parts, { former, ...next });
      noteClient(daemon, change);
      return daemon;
    },
  });
}

function respawn(
  context: ShareContext,
  { files, record, traits }: DaemonShareParts,
  { former, restarts, signal }: { former: Daemon; restarts: number; signal: AbortSignal },
): Promise<Daemon> {
  const { stateDir, daemons } = context;
  // On record before it runs: whenever the host dies, the next one knows the daemon that there is.
  const beforeSpawn = (daemon: Daemon): void =>
    stateDir.reserve.use(() =>
      updateRecord(files, (last) => ({ ...last, restarts, daemon: daemonRecord(daemon) })),
    );
  const start = (): Promise<Daemon> => {
    // What the former one said is not to be taken for this one's words.
    writeFileSync(files.output, '', { mode: 0o600 });
    const spec = { ...traits, program: () => former.program };
    return daemons.start(spec, { ...startOptions(context, record), signal, beforeSpawn });
  };
  const attributes = { [`${traits.name}.restarts`]: restarts };
  return spanOf(traits, 'respawn', attributes, start, { root: true, startedBy: former.startedBy });
}
