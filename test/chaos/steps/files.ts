import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isGone } from '../../harness/leftovers.ts';
import { keyOf, type KnownShare, type World } from '../world.ts';
import { codeOf, pickShare, require, type Step } from './step.ts';

const isAlive = ({ isDead }: KnownShare): boolean => !isDead;

const directoryOf = ({ place }: World, { sandboxId, tag }: KnownShare): string =>
  join(place.state, 'sandboxes/default', sandboxId, tag);

const tear: Step = {
  name: 'tear-record',
  weight: 1,
  async run(world) {
    const share = pickShare(world, isAlive);
    if (!share) return undefined;
    const record = join(directoryOf(world, share), 'share.json');
    await world.endHost('SIGKILL');
    const text = readFileSync(record);
    const length = world.random.below(text.length - 1);
    writeFileSync(record, text.subarray(0, length));
    await world.startHost();
    // Nobody knows whose daemon that is; it stays until the record is mended.
    const { shares } = await world.host.shares.list({});
    require(!shares.some((each) => keyOf(each) === keyOf(share)), 'a share without a record is listed');
    require(!isGone(share.pid), `daemon ${share.pid} was ended, whose record cannot be read`);
    const code = await codeOf(world.host.shares.open({ sandboxId: share.sandboxId, tag: share.tag }));
    require(code !== undefined, `a share was opened over a record that cannot be read`);
    await world.endHost('SIGKILL');
    writeFileSync(record, text);
    await world.startHost();
    return `${keyOf(share)} to ${length} bytes`;
  },
};

const tearNew: Step = {
  name: 'tear-new-record',
  weight: 1,
  async run(world) {
    const share = pickShare(world, () => true);
    if (!share) return undefined;
    await world.endHost('SIGKILL');
    writeFileSync(join(directoryOf(world, share), 'share.json.new'), '{"formatVersion": 1,');
    await world.startHost();
    return keyOf(share);
  },
};

const removeRecord: Step = {
  name: 'remove-record',
  weight: 1,
  async run(world) {
    const share = pickShare(world, () => true);
    if (!share) return undefined;
    await world.endHost('SIGKILL');
    rmSync(join(directoryOf(world, share), 'share.json'));
    await world.startHost();
    world.forget(keyOf(share));
    return keyOf(share);
  },
};

const putBeside: Step = {
  name: 'unknown-file',
  weight: 3,
  async run(world) {
    const share = pickShare(world, () => true);
    if (!share) return undefined;
    writeFileSync(join(directoryOf(world, share), 'notes'), 'of somebody');
    if (world.random.oneIn(3)) await world.endHost('SIGKILL').then(() => world.startHost());
    const { closed } = await world.host.shares.close({ sandboxId: share.sandboxId, tag: share.tag });
    require(closed === 1, `close ${keyOf(share)} closed ${closed}`);
    world.forget(keyOf(share));
    return keyOf(share);
  },
};

/** State files that are torn, removed, or not ours. */
export const fileSteps: readonly Step[] = [tear, tearNew, removeRecord, putBeside];
