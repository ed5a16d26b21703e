import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { qemuArguments } from '../../src/vmm/qemu.ts';
import { askedGuest } from '../harness/guest/asked-guest.ts';
import { startBrokenRegistry } from '../harness/nydus/broken-registry.ts';
import { rafsConfig } from '../harness/nydus/image.ts';
import { nydusPlace } from '../harness/nydus/nydus-share.ts';
import { obtainOrSkip } from '../setup/obtain.ts';

const { skip } = await obtainOrSkip('nydus');
const memoryMiB = 256;

const placeOf = (name: string): string => `/rafs/${name}/lowerdir`;

// It boots a guest and serves it by the real nydusd, which needs root.
describe('unmount() of nydusd', { skip }, () => {
  test('says truthfully whether the guest may hold the image, how much it has read, and how often it could not', async () => {
    await using truncates = await startBrokenRegistry('truncates');
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    const { share } = own;
    for (const name of ['early', 'untouched', 'read']) await own.mount(place.mountOf(name));
    const config = { scheme: 'http', host: truncates.host, repo: 'app' };
    await own.mount({
      ...place.mountOf('broken'),
      config: rafsConfig({ type: 'registry', config }, place.directory.path),
    });
    // No VMM has come: nobody can have looked.
    assert.deepEqual(await own.unmount(placeOf('early')), { guestMayHoldIt: false });
    await using guest = await askedGuest('work', {
      memoryMiB,
      qemuArguments: qemuArguments([share], { memoryMiB }),
    });
    assert.equal((await guest.ask('ls /mnt/rafs')).code, 0);
    assert.equal((await guest.ask(`cat /mnt${placeOf('read')}/f`)).output, 'of the image');
    assert.equal((await guest.ask(`cat /mnt${placeOf('broken')}/f`)).code, 1);
    assert.deepEqual(await own.unmount(placeOf('untouched')), {
      guestMayHoldIt: false,
      bytesRead: 0,
      failedReads: 0,
    });
    assert.deepEqual(await own.unmount(placeOf('read')), {
      guestMayHoldIt: true,
      bytesRead: 'of the image\n'.length,
      failedReads: 0,
    });
    const broken = (await own.unmount(placeOf('broken'))) as { failedReads: number };
    assert.equal(broken.failedReads > 0, true);
    assert.deepEqual({ ...broken, failedReads: 0 }, { guestMayHoldIt: true, bytesRead: 0, failedReads: 0 });
    // The next one at the same place is another.
    await own.mount(place.mountOf('read'));
    assert.deepEqual(await own.unmount(placeOf('read')), {
      guestMayHoldIt: false,
      bytesRead: 0,
      failedReads: 0,
    });
    assert.deepEqual(await own.unmount(placeOf('never')), { guestMayHoldIt: true });
    assert.notEqual((await guest.ask(`cat /mnt${placeOf('read')}/f`)).code, 0);
  });
});
