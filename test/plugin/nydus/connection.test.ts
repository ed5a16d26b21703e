import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe, test } from 'node:test';
import { readRecord } from '../../../src/share/record.ts';
import { eventually } from '../../harness/eventually.ts';
import { connectFromOtherNetwork } from '../../harness/foreign-vmm.ts';
import { isGone, leftovers } from '../../harness/leftovers.ts';
import { nydusPlace, type NydusPlace, type NydusShare } from '../../harness/nydus/nydus-share.ts';
import { sandboxRequest } from '../../harness/sandbox-request.ts';
import { openTestHost } from '../../harness/test-host.ts';
import { askFeatures, connectVhostUser, type VhostUserClient } from '../../harness/vhost-user.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';

const { part, skip } = await obtainOrSkip('nydus');
const NYDUS = 'io.containerd.fsshare.v1.nydus';
const disconnected = { cause: 'disconnected', message: 'nydusd exited with code 0: its VMM has left' };

/** A VMM that has come, as the share's state says. */
async function connected({ share }: Pick<NydusShare, 'share'>): Promise<VhostUserClient> {
  const vmm = await connectVhostUser(share.socketPath);
  await vmm.getFeatures();
  await eventually('its state says so', () => share.status().state === 'connected');
  return vmm;
}

async function endOf({ share }: Pick<NydusShare, 'share'>): Promise<{ cause: string; message: string }> {
  const { cause, message } = await share.closed;
  return { cause, message };
}

/** Takes over a share as the next host does. */
async function adopt({ context, provider }: NydusPlace, tag = 'work'): Promise<Pick<NydusShare, 'share'>> {
  const record = readRecord(context.stateDir.share('default', 'a', tag));
  const share = record && (await provider.adoptShare?.(record, {}));
  return { share: share ?? assert.fail('not adopted') };
}

// The image server is the real one, and needs root.
describe('a share of nydusd whose VMM comes and goes', { skip }, () => {
  test('is connected until it leaves, and that ends its sandbox as it does with virtiofsd', async () => {
    const table = { virtio_fs_daemon: part?.nydusd, virtio_fs_start_timeout_ms: 600_000 };
    await using own = await openTestHost({
      config: { shared_fs: 'virtio-fs-nydus', plugins: { [NYDUS]: table } },
    });
    const sandbox = await own.host.sandboxes.create(sandboxRequest('a', { tag: 'work' }));
    const [share = assert.fail('no share')] = sandbox.shares;
    await share.ready;
    assert.equal(share.status().state, 'waiting');
    {
      using _ = await connected({ share });
      const record = readRecord(own.host.stateDir.share('default', 'a', 'work'));
      assert.notEqual(record?.daemon?.connectedAt, undefined);
    }
    const { cause, exitStatus } = await sandbox.ended;
    assert.deepEqual([cause, exitStatus], ['disconnected', 0]);
    assert.deepEqual(await endOf({ share }), disconnected);
    assert.equal(own.captured.withMessage(disconnected.message)[0]?.level, 'info');
    assert.equal(isGone(share.pid), true);
    await own.host.sandboxes.delete('default', 'a');
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('ends also where it came and went within a moment', async () => {
    await using place = await nydusPlace();
    await using own = await place.open();
    await own.share.ready;
    assert.notEqual(await askFeatures(own.share.socketPath), 0n);
    assert.deepEqual(await endOf(own), disconnected);
  });

  test('ends where its VMM left while there was no host, and goes on where it did not', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using left = await place.open({ tag: 'left' });
    await using stayed = await place.open({ tag: 'stayed' });
    await using unseen = await place.open({ tag: 'unseen' });
    await Promise.all([left, stayed, unseen].map(({ share }) => share.ready));
    const leaving = await connected(left);
    using _ = await connected(stayed);
    const adopted = [await adopt(place, 'left'), await adopt(place, 'stayed')] as const;
    leaving[Symbol.dispose]();
    await askFeatures(unseen.share.socketPath);
    const last = await adopt(place, 'unseen');
    for (const one of [adopted[0], last]) assert.equal((await endOf(one)).cause, 'disconnected');
    assert.equal(adopted[1].share.status().state, 'connected');
    assert.equal(isGone(stayed.share.pid), false);
  });

  test('is connected also by a VMM of another network namespace, for the next host too, until that leaves', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open({ tag: 'own' });
    await using other = await place.open({ tag: 'other' });
    await Promise.all([own.share.ready, other.share.ready]);
    {
      await using _ = await connectFromOtherNetwork(own.share.socketPath);
      const adopted = await adopt(place, 'own');
      // By the time at which this one is ended, the first would be.
      await askFeatures(other.share.socketPath);
      assert.deepEqual(await endOf(other), disconnected);
      assert.equal(isGone(own.share.pid), false);
      for (const { share } of [own, adopted])
        await eventually('its state says so', () => share.status().state === 'connected');
    }
    assert.deepEqual(await endOf(own), disconnected);
    assert.equal(isGone(own.share.pid), true);
    for (const { share } of [own, other]) await share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(place.state), []);
  });

  test('is not taken for left where it was killed under its VMM', async () => {
    await using place = await nydusPlace({ virtio_fs_on_exit: 'respawn' });
    await using own = await place.open();
    await own.share.ready;
    using _ = await connected(own);
    const adopted = await adopt(place);
    process.kill(own.share.pid, 'SIGKILL');
    assert.equal((await endOf(own)).cause, 'crashed');
    // Nobody tells the second host how.
    assert.equal((await endOf(adopted)).cause, 'failed');
    assert.equal(adopted.share.status().restarts, 0);
  });

  test('waits on where somebody has only removed the name of its socket', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using nameless = await place.open({ tag: 'nameless' });
    await using other = await place.open({ tag: 'other' });
    await Promise.all([nameless.share.ready, other.share.ready]);
    rmSync(nameless.share.socketPath);
    // By the time at which this one is ended, the first would be.
    await askFeatures(other.share.socketPath);
    assert.deepEqual(await endOf(other), disconnected);
    assert.equal(nameless.share.status().state, 'waiting');
    assert.equal(isGone(nameless.share.pid), false);
  });

  test('serves one VMM after the other with "respawn"', async () => {
    await using place = await nydusPlace({ virtio_fs_on_exit: 'respawn', virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    const { share } = own;
    for (const restarts of [0, 1, 2]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await eventually('there is one', () => share.status().restarts === restarts);
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await share.ready;
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      assert.notEqual(await askFeatures(share.socketPath), 0n);
    }
    await eventually('the next one is there', () => share.status().restarts === 3);
    await share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(place.state), []);
  });
});
