import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Code, codeName, connect, createClient } from 'ttrpc-ts';
import { Shares } from '../../../src/proto/share/shares_pb.ts';
import type { ServeProcess } from '../../harness/serve-process.ts';
import { keyOf } from '../world.ts';
import { codeOf, pickName, pickShare, require, type Step } from './step.ts';

/** The daemons of a sandbox start two at a time: more than that wait. */
const BURST = 12;
/** The longest that a call is let go on before it is given up, in milliseconds. */
const PATIENCE_MS = 60;

const told = (code: Code | undefined): string => (code === undefined ? 'opened' : codeName(code));

const open: Step = {
  name: 'open',
  weight: 30,
  async run(world) {
    const { host, shares, ended, place, random } = world;
    const name = pickName(world);
    const isTaken = shares.has(keyOf(name));
    const isEnded = ended.has(name.sandboxId);
    const opening = host.shares.open({ ...name, ...(random.oneIn(2) ? { source: place.source } : {}) });
    const code = await codeOf(opening);
    const isRefused = code === Code.AlreadyExists || code === Code.FailedPrecondition;
    const isFine = isTaken || isEnded ? isRefused || (!isTaken && code === undefined) : code === undefined;
    require(isFine, `open ${keyOf(name)} (taken ${isTaken}, ended ${isEnded}) gave ${code}`);
    const { share } = code === undefined ? await opening : {};
    if (share) world.learn(share);
    return `${keyOf(name)}: ${told(code)}`;
  },
};

const close: Step = {
  name: 'close',
  weight: 18,
  async run(world) {
    const name = world.random.oneIn(4) ? pickName(world) : (pickShare(world, () => true) ?? pickName(world));
    const key = keyOf(name);
    const { closed } = await world.host.shares.close({ sandboxId: name.sandboxId, tag: name.tag });
    require(closed === (world.shares.has(key) ? 1 : 0), `close ${key} closed ${closed}`);
    world.forget(key);
    return key;
  },
};

const closeSandbox: Step = {
  name: 'close-sandbox',
  weight: 6,
  async run(world) {
    const { sandboxId } = pickName(world);
    const own = [...world.shares.values()].filter((share) => share.sandboxId === sandboxId);
    const { closed } = await world.host.shares.close({ sandboxId });
    require(closed === own.length, `close of sandbox ${sandboxId} closed ${closed}, not ${own.length}`);
    for (const share of own) world.forget(keyOf(share));
    return `${sandboxId}: ${closed}`;
  },
};

const refused: Step = {
  name: 'refused-open',
  weight: 4,
  async run(world) {
    const name = { sandboxId: 'refused', tag: 'one' };
    const wrong = world.random.pick([
      { ...name, source: join(world.place.directory, 'nothing') },
      { ...name, source: 'relative' },
      { ...name, tag: 'x'.repeat(40) },
      { ...name, sharedFs: 'no-fs' },
      { ...name, source: world.place.state },
    ]);
    const code = await codeOf(world.host.shares.open(wrong));
    require(code !== undefined, `open ${JSON.stringify(wrong)} was not refused`);
    return told(code);
  },
};

const burst: Step = {
  name: 'burst',
  weight: 2,
  async run({ host }) {
    const names = Array.from({ length: BURST }, (_, index) => ({
      sandboxId: `burst-${index % 4}`,
      tag: `${index}`,
    }));
    await Promise.all(names.map((name) => host.shares.open(name)));
    const closings = await Promise.all(names.map((name) => host.shares.close(name)));
    require(closings.every(({ closed }) => closed === 1), 'a share of a burst was not there');
    return `${BURST}`;
  },
};

const givenUp: Step = {
  name: 'cancel',
  weight: 6,
  async run(world) {
    const { host, random } = world;
    const name = { sandboxId: 'cancelled', tag: 'one' };
    const ms = 1 + random.below(PATIENCE_MS);
    const isTimeout = random.oneIn(2);
    const options = isTimeout ? { timeoutMs: ms } : { signal: AbortSignal.timeout(ms) };
    const code = await codeOf(host.shares.open(name, options));
    // As the service says: the server does not know that its caller has given up.
    await host.shares.close(name);
    return `${isTimeout ? 'timeout' : 'signal'} after ${ms} ms: ${told(code)}`;
  },
};

const hungUp: Step = {
  name: 'hang-up',
  weight: 4,
  async run({ place, random, host }) {
    const name = { sandboxId: 'hung-up', tag: 'one' };
    const transport = await connect({ path: join(place.state, 'host.sock') });
    const opening = codeOf(createClient(Shares, transport).open(name));
    const ms = random.below(PATIENCE_MS);
    await delay(ms);
    await transport.close();
    const code = await opening;
    // The host may have answered, and nobody have read it; else nothing is left, without anybody's doing.
    if (code === undefined || (await staysListed(host))) await host.shares.close(name);
    return `after ${ms} ms: ${told(code)}`;
  },
};

/** How long a host may take to notice and to undo what nobody waits for any more, in milliseconds. */
const UNDO_MS = 300;

async function staysListed(host: ServeProcess): Promise<boolean> {
  await delay(UNDO_MS);
  return (await host.shares.list({ sandboxId: 'hung-up' })).shares.length > 0;
}

/** Calls of every kind. */
export const callSteps: readonly Step[] = [open, close, closeSandbox, refused, burst, givenUp, hungUp];
