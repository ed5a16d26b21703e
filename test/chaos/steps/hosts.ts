import { setTimeout as delay } from 'node:timers/promises';
import type { Share } from '../../../src/proto/share/shares_pb.ts';
import { isGone } from '../../harness/leftovers.ts';
import { keyOf, type KnownShare, type World } from '../world.ts';
import { codeOf, pickName, require, SANDBOXES, type Step } from './step.ts';

/** The longest that calls are let go on before their host is killed, in milliseconds. */
const HEAD_START_MS = 120;

async function restart(world: World, signal: NodeJS.Signals): Promise<void> {
  await world.endHost(signal);
  await world.startHost();
  // A sandbox is judged anew by what is on record of its shares.
  for (const sandboxId of SANDBOXES)
    if (![...world.shares.values()].some((share) => share.sandboxId === sandboxId && share.isDead))
      world.ended.delete(sandboxId);
}

const kill: Step = {
  name: 'kill-host',
  weight: 3,
  async run(world) {
    await restart(world, 'SIGKILL');
    return `${world.shares.size} shares`;
  },
};

const end: Step = {
  name: 'end-host',
  weight: 2,
  async run(world) {
    await restart(world, world.random.pick(['SIGTERM', 'SIGINT'] as const));
    return `${world.shares.size} shares`;
  },
};

const killAlone: Step = {
  name: 'kill-host-and-daemons',
  weight: 1,
  async run(world) {
    const dying = [...world.shares.values()].filter(({ isDead }) => !isDead && world.random.oneIn(3));
    await world.endHost('SIGKILL');
    for (const share of dying) {
      process.kill(share.pid, 'SIGKILL');
      share.vmm?.[Symbol.dispose]();
      Object.assign(share, { vmm: undefined, isDead: true });
      world.ended.add(share.sandboxId);
    }
    await world.startHost();
    return `${dying.length} of ${world.shares.size}`;
  },
};

/** A call, and whether it was answered. */
interface Pending {
  readonly key: string;
  readonly isOpen: boolean;
  readonly answered: Promise<boolean>;
}

const killBusy: Step = {
  name: 'kill-busy-host',
  weight: 4,
  async run(world) {
    const signal = world.random.pick(['SIGKILL', 'SIGKILL', 'SIGTERM'] as const);
    const pending = startCalls(world);
    const ms = world.random.below(HEAD_START_MS);
    await delay(ms);
    await restart(world, signal);
    const { shares } = await world.host.shares.list({});
    for (const call of pending) reconcile(world, { ...call, isAnswered: await call.answered, shares });
    return `${signal} after ${ms} ms with ${pending.length} calls`;
  },
};

function startCalls(world: World): Pending[] {
  const { host, random, place } = world;
  const names = new Map(
    Array.from({ length: 5 }, () => pickName(world)).map((name) => [keyOf(name), name] as const),
  );
  return [...names]
    .filter(([key, { sandboxId }]) => world.shares.has(key) || !world.ended.has(sandboxId))
    .map(([key, name]) => {
      const isOpen = !world.shares.has(key);
      const source = random.oneIn(2) ? { source: place.source } : {};
      const call = isOpen ? host.shares.open({ ...name, ...source }) : host.shares.close(name);
      return { key, isOpen, answered: codeOf(call).then((code) => code === undefined) };
    });
}

/** What was being opened is there or not; what was being closed is gone or as it was. */
function reconcile(
  world: World,
  {
    key,
    isOpen,
    isAnswered,
    shares,
  }: Omit<Pending, 'answered'> & { isAnswered: boolean; shares: readonly Share[] },
): void {
  const share = shares.find((each) => keyOf(each) === key);
  require(!isAnswered ||
    isOpen === Boolean(share), `${isOpen ? 'open' : 'close'} ${key} was answered, and is undone`);
  if (!share) world.forget(key);
  else if (isOpen) world.learn(share);
  else requireSame(world.shares.get(key), share);
}

function requireSame(known: KnownShare | undefined, { pid, exit }: Share): void {
  require(known?.pid === pid, `the share has daemon ${pid}, not ${known?.pid}`);
  require(known.isDead || (!exit && !isGone(pid)), `daemon ${pid} was ended, and its share is there`);
}

/** Ends of hosts, with others after them. */
export const hostSteps: readonly Step[] = [kill, end, killAlone, killBusy];
