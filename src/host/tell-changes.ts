import type { DaemonState } from '../daemon/contract.ts';
import type { CheckedShare } from './checked-share.ts';
import type { TellEvent } from './events.ts';
import type { ShareSnapshot } from './share-snapshot.ts';

/** Tells of what happens to an open share, from its opening on. */
export interface ChangesTeller {
  /** Its daemon has ended, and the snapshot knows how. */
  exited(): void;
  /** Nothing of it is left, and nothing more is told. */
  closed(): void;
}

/** Begins to tell of an open share. That its daemon has ended is only told when it is known how. */
export function tellChanges(
  share: CheckedShare,
  { tell, snapshot }: { tell: TellEvent; snapshot: () => ShareSnapshot },
): ChangesTeller {
  let told = stateOf(share);
  tell('opened', snapshot);
  const listening = share.onChange(() => {
    const now = stateOf(share);
    if (now.state === 'exited' || (now.state === told.state && now.pid === told.pid)) return;
    told = now;
    tell('changed', snapshot);
  });
  let isClosed = false;
  return {
    exited() {
      listening[Symbol.dispose]();
      if (!isClosed) tell('changed', snapshot);
    },
    closed() {
      listening[Symbol.dispose]();
      isClosed = true;
      tell('closed', snapshot);
    },
  };
}

function stateOf(share: CheckedShare): { state: DaemonState; pid: number } {
  return { state: share.status().state, pid: share.pid };
}
