import assert from 'node:assert/strict';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { eventually } from '../../harness/eventually.ts';
import { leftovers } from '../../harness/leftovers.ts';
import { nydusPlace, type NydusPlace, type NydusShare } from '../../harness/nydus/nydus-share.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';

const { skip } = await obtainOrSkip('nydus');
const AT = '/rafs/c1/lowerdir';

const mountsOf = async ({ api }: NydusShare): Promise<string[]> => [
  ...((await api.find({}))?.mounts ?? assert.fail('nobody answers')),
];

/** Holds up a share's nydusd, which waits for a named pipe, until the function that it resolves to is called. */
async function holdUp(own: NydusShare, place: NydusPlace): Promise<() => Promise<void>> {
  const source = join(place.directory.path, 'pipe');
  await execa('mkfifo', [source]);
  const slow = assert.rejects(own.mount({ ...place.mountOf('slow'), source }), {
    code: Code.FailedPrecondition,
  });
  await eventually('the API is held up', () =>
    own.api.find({ signal: AbortSignal.timeout(300) }).then(
      () => false,
      ({ name }: Error) => name === 'TimeoutError',
    ),
  );
  return async () => {
    // Nobody but nydusd reads it.
    closeSync(openSync(source, constants.O_WRONLY | constants.O_NONBLOCK));
    await slow;
  };
}

/** How often nydusd has said that it did something at the mountpoint. */
const timesOf = ({ share }: NydusShare, words: RegExp): number =>
  share.status().lastLines.filter((line) => words.test(line) && line.includes(AT)).length;

// The real nydusd, which needs root.
describe('a mount that was given up', { skip }, () => {
  test('is taken back where nydusd makes it later, and no other image passes for it', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    await own.share.ready;
    const release = await holdUp(own, place);
    const controller = new AbortController();
    // In its place: nydusd drops what waits when its caller leaves, but not what it has begun.
    const later = own.api.mountImage(AT, place.mountOf('c1'), {});
    await assert.rejects(own.api.find({ signal: AbortSignal.timeout(300) }), { name: 'TimeoutError' });
    const mount = place.mountOf('c1');
    const given = assert.rejects(own.mount(mount, { signal: controller.signal }), { message: 'given up' });
    await assert.rejects(own.api.find({ signal: AbortSignal.timeout(300) }), { name: 'TimeoutError' });
    controller.abort(new Error('given up'));
    await given;
    const other = { ...mount, config: `${mount.config} ` };
    const mounting = own.mount(other);
    await release();
    assert.equal(await later, true);
    await mounting;
    assert.deepEqual((await mountsOf(own)).toSorted(), ['/containers', AT]);
    await assert.rejects(own.mount(mount), { code: Code.AlreadyExists });
    await own.mount(other);
    await eventually('both were mounted', () => timesOf(own, /Rafs filesystem mounted at/) === 2);
    await own.unmount(AT);
    assert.deepEqual(await mountsOf(own), ['/containers']);
  });

  test('is taken back where nobody asks for another one', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    await own.share.ready;
    const release = await holdUp(own, place);
    const controller = new AbortController();
    // In its place: nydusd drops what waits when its caller leaves, but not what it has begun.
    const later = own.api.mountImage(AT, place.mountOf('c1'), {});
    await assert.rejects(own.api.find({ signal: AbortSignal.timeout(300) }), { name: 'TimeoutError' });
    const given = assert.rejects(own.mount(place.mountOf('c1'), { signal: controller.signal }), {
      message: 'given up',
    });
    await assert.rejects(own.api.find({ signal: AbortSignal.timeout(300) }), { name: 'TimeoutError' });
    controller.abort(new Error('given up'));
    await given;
    await release();
    assert.equal(await later, true);
    await eventually('it is gone', async () => !(await mountsOf(own)).includes(AT));
    await own.share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(place.state), []);
  });

  test('is replaced where another host gave it up', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    await own.share.ready;
    const { source, config } = place.mountOf('c1');
    await own.api.mountImage(AT, { source, config }, {});
    await own.mount({ ...place.mountOf('c1'), config: `${config} ` });
    await eventually('both were mounted', () => timesOf(own, /Rafs filesystem mounted at/) === 2);
    assert.deepEqual((await mountsOf(own)).toSorted(), ['/containers', AT]);
  });
});
