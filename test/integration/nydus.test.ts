import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { qemuArguments } from '../../src/vmm/qemu.ts';
import { eventually } from '../harness/eventually.ts';
import { startGuest } from '../harness/guest/start-guest.ts';
import { leftovers } from '../harness/leftovers.ts';
import { nydusPlace } from '../harness/nydus/nydus-share.ts';
import { obtainOrSkip } from '../setup/obtain.ts';

const { skip } = await obtainOrSkip('nydus');
const MEMORY_MIB = 256;

const SCRIPT = `
mount -t virtiofs work /mnt || exit 1
echo "image: $(cat /mnt/rafs/c1/lowerdir/f)"
touch /mnt/rafs/c1/lowerdir/g 2>/dev/null && exit 2
rm /mnt/rafs/c1/lowerdir/f 2>/dev/null && exit 3
echo "host: $(cat /mnt/containers/from-host)"
echo 'by the guest' > /mnt/containers/from-guest
echo mounted
read line
echo "later: $(cat /mnt/rafs/c2/lowerdir/f)"
umount /mnt
`;

// It boots a guest and serves it by the real nydusd, which needs root.
describe('a guest of nydusd', { skip }, () => {
  test('reads images, one of them mounted while it runs, and shares a directory', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 600_000 });
    await using own = await place.open({ source: place.source });
    const { share } = own;
    writeFileSync(join(place.source, 'from-host'), 'by the host\n');
    await own.mount(place.mountOf('c1'));
    const qemu = qemuArguments([share], { memoryMiB: MEMORY_MIB });
    await using guest = await startGuest({ script: SCRIPT, memoryMiB: MEMORY_MIB, qemuArguments: qemu });
    await guest.waitForLine('mounted');
    await eventually('its state says that the VMM has come', () => share.status().state === 'connected');
    await own.mount(place.mountOf('c2'));
    guest.write('go on\n');
    const { code, lines } = await guest.exit;
    assert.deepEqual(
      { code, lines },
      {
        code: 0,
        lines: ['image: of the image', 'host: by the host', 'mounted', 'later: of the image'],
      },
    );
    assert.equal(readFileSync(join(place.source, 'from-guest'), 'utf8'), 'by the guest\n');
    // Its VMM has left, and so it is ended.
    const { cause, exitCode } = await share.closed;
    assert.deepEqual({ cause, exitCode }, { cause: 'disconnected', exitCode: 0 });
    await share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(place.state), []);
  });
});
