import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../harness/eventually.ts';
import { isGone } from '../../harness/leftovers.ts';
import { lockHolder } from '../../harness/lock-holder.ts';
import { connectVhostUser } from '../../harness/vhost-user.ts';
import { keyOf, type KnownShare, type World } from '../world.ts';
import { pickShare, type Step } from './step.ts';

const isAlive = ({ isDead }: KnownShare): boolean => !isDead;
const isWaiting = ({ isDead, vmm }: KnownShare): boolean => !isDead && !vmm;

/** Takes a share's daemon for ended, which may have ended its sandbox. */
function bury(world: World, share: KnownShare): void {
  share.vmm?.[Symbol.dispose]();
  share.vmm = undefined;
  share.isDead = true;
  world.ended.add(share.sandboxId);
}

const killDaemon: Step = {
  name: 'kill-daemon',
  weight: 6,
  async run(world) {
    const share = pickShare(world, isAlive);
    if (!share) return undefined;
    const signal = world.random.pick(['SIGKILL', 'SIGSEGV', 'SIGTERM', 'SIGABRT'] as const);
    process.kill(share.pid, signal);
    // One signal may come while the daemon does not heed it yet.
    await eventually('the daemon is gone', () => {
      if (!isGone(share.pid)) process.kill(share.pid, signal);
      return isGone(share.pid);
    });
    bury(world, share);
    return `${keyOf(share)} by ${signal}`;
  },
};

const vmmComes: Step = {
  name: 'vmm-comes',
  weight: 8,
  async run(world) {
    const share = pickShare(world, isWaiting);
    if (!share) return undefined;
    share.vmm = await connectVhostUser(share.socketPath);
    await share.vmm.getFeatures();
    return keyOf(share);
  },
};

const vmmLeaves: Step = {
  name: 'vmm-leaves',
  weight: 5,
  async run(world) {
    const share = pickShare(world, ({ vmm }) => vmm !== undefined);
    if (!share) return undefined;
    bury(world, share);
    await eventually('the daemon is gone', () => isGone(share.pid));
    return keyOf(share);
  },
};

const killHolder: Step = {
  name: 'kill-lock-holder',
  weight: 2,
  async run({ place }) {
    const lock = join(place.state, 'host.lock');
    const former = lockHolder(lock);
    if (former === undefined) throw new Error('nobody holds the lock');
    process.kill(former, 'SIGKILL');
    await eventually('another one holds the lock', () => ![former, undefined].includes(lockHolder(lock)));
    return `${former}`;
  },
};

const removeLock: Step = {
  name: 'remove-lock',
  weight: 1,
  async run({ place }) {
    const lock = join(place.state, 'host.lock');
    rmSync(lock);
    await eventually('the new lock is held', () => lockHolder(lock) !== undefined);
    return '';
  },
};

/** Ends of daemons, comings and goings of VMMs, the loss of the lock. */
export const deathSteps: readonly Step[] = [killDaemon, vmmComes, vmmLeaves, killHolder, removeLock];
