import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually } from '../../harness/eventually.ts';
import { isGone, leftovers } from '../../harness/leftovers.ts';
import { nydusPlace } from '../../harness/nydus/nydus-share.ts';
import { connectVhostUser } from '../../harness/vhost-user.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';

const { skip } = await obtainOrSkip('nydus');
const respawn = { virtio_fs_on_exit: 'respawn' };

// The image server is the real one, and needs root.
describe('virtio_fs_on_exit = "respawn" with nydusd', { skip }, () => {
  test('replaces one that was killed before its VMM came, on the same sockets', async () => {
    await using place = await nydusPlace(respawn);
    await using own = await place.open({ source: place.source });
    const { share } = own;
    await share.ready;
    const { pid } = share;
    process.kill(pid, 'SIGKILL');
    await eventually('there is another one', () => share.pid !== pid);
    await share.ready;
    assert.deepEqual(await own.api.find({}), { state: 'RUNNING', mounts: new Set(['/containers']) });
    assert.equal(share.status().restarts, 1);
    {
      using vmm = await connectVhostUser(share.socketPath);
      assert.notEqual(await vmm.getFeatures(), 0n);
    }
    await share[Symbol.asyncDispose]();
    assert.equal(isGone(share.pid), true);
    assert.deepEqual(await leftovers(place.state), []);
  });

  test('ends with one that was killed under its VMM', async () => {
    await using place = await nydusPlace(respawn);
    await using own = await place.open();
    const { share } = own;
    await share.ready;
    using vmm = await connectVhostUser(share.socketPath);
    await vmm.getFeatures();
    process.kill(share.pid, 'SIGKILL');
    assert.equal((await share.closed).cause, 'crashed');
    assert.equal(share.status().restarts, 0);
    await share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(place.state), []);
  });
});
