import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readStat } from '../../src/proc/stat.ts';
import { serve } from '../../src/services/serve.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { connectShares } from '../harness/share-client.ts';
import {
  assertServes,
  ended,
  followCall,
  openNode,
  outputOf,
  slowDaemon,
  whenBegun,
} from '../harness/take-over.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { openTestHost } from '../harness/test-host.ts';
import { writePlugin } from '../harness/test-plugin.ts';

// Hosts are processes of their own.

const name = { sandboxId: 'sb', tag: 'work' };

describe('a host that cannot take over', () => {
  for (const [what, exitCode, change, message] of [
    [
      'whose configuration is wrong',
      2,
      (text: string) => text.replace('version = 1', 'version = 1\nnonsense = 1'),
      /^shim-virtiofs: Invalid configuration ".*": nonsense: /m,
    ],
    [
      'whose daemon is not there',
      2,
      (text: string) => text.replace(/virtio_fs_daemon = ".*"/, 'virtio_fs_daemon = "/nowhere/virtiofsd"'),
      /^shim-virtiofs: Invalid configuration ".*\/nowhere\/virtiofsd/m,
    ],
    [
      'whose plugin does not load',
      2,
      (text: string) => text.replace('plugin_dirs = []', 'plugin_dirs = ["BROKEN"]'),
      /^shim-virtiofs: Invalid manifest ".*broken.*": entry: "plugin.mjs" does not load/m,
    ],
  ] as const) {
    test(`${what} says so, and the other one goes on`, async () => {
      await using node = await openNode();
      const broken = join(node.path, 'plugins');
      await writePlugin(broken, { id: 'broken', code: 'throw new Error("broken");' });
      await using former = await node.start();
      await former.shares.open({ ...name, source: node.source });
      const text = await readFile(node.config, 'utf8');
      await writeFile(node.config, change(text).replace('BROKEN', broken));
      const failed = await node.fail();
      assert.deepEqual([failed.exitCode, failed.stderr.match(message)?.length], [exitCode, 1], failed.stderr);
      assert.doesNotMatch(outputOf(former), /take over/);
      await assertServes(former, node);
      await former.shares.close(name);
      assert.deepEqual(await leftovers(node.state), []);
    });
  }

  test('because a newer version wrote a record says so, and has asked nobody', async () => {
    await using node = await openNode();
    await using former = await node.start();
    await former.shares.open({ ...name, source: node.source });
    const file = join(node.state, 'sandboxes/default/sb/work/share.json');
    const record = readFileSync(file, 'utf8');
    writeFileSync(file, record.replace('"formatVersion": 1', '"formatVersion": 2'));
    const { exitCode, stderr } = await node.fail();
    assert.equal(exitCode, 1);
    assert.ok(
      stderr.endsWith(
        `shim-virtiofs: Cannot take over, as sandbox "sb" would be lost: Cannot read the share's record "${file}": ` +
          'a newer version of this program wrote it (format 2)',
      ),
      stderr,
    );
    assert.doesNotMatch(outputOf(former), /take over/);
    writeFileSync(file, record);
    await assertServes(former, node);
    await former.shares.close(name);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test("because containerd's shim has pods says how many, and takes them down where it is forced", async () => {
    await using node = await openNode({ daemon: fixture('waits'), top: '[[shares]]\ntag = "work"' });
    await using former = await node.start();
    const metadata = { 'containerd-namespace-ttrpc': ['k8s.io'] };
    for (const sandboxId of ['one', 'two'])
      await former.client.createSandbox({ sandboxId, bundlePath: node.source }, { metadata });
    await former.shares.open({ ...name, source: node.source });
    const { exitCode, stderr } = await node.fail();
    assert.equal(exitCode, 1);
    assert.ok(
      stderr.endsWith(
        `shim-virtiofs: Cannot hand over: 2 pods of containerd's shim would be lost ("k8s.io/one", …), as containerd ` +
          'takes them for dead when this host ends: remove them first, or lose them with --force',
      ),
      stderr,
    );
    await assertServes(former, node);
    const { shares } = await former.shares.list({});

    await using host = await node.follow({ args: ['--force'] });
    assert.equal(await ended(former), 0);
    assert.match(outputOf(host), /"lostPods":2,.*"msg":"Taking over from another host"/);
    const kept = (await host.shares.list({})).shares;
    assert.deepEqual(
      kept.map(({ sandboxId }) => sandboxId),
      ['sb'],
    );
    const gone = shares.filter(({ sandboxId }) => sandboxId !== 'sb').map(({ pid }) => isGone(pid));
    assert.deepEqual(gone, [true, true]);
    await host.shares.close(name);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('because the other one stands still says so, and that one goes on', async () => {
    await using node = await openNode();
    await using former = await node.start();
    await former.shares.open({ ...name, source: node.source });
    process.kill(former.pid, 'SIGSTOP');
    await eventually('it stands still', () => readStat(former.pid)?.state === 'T');
    const { exitCode, stderr } = await node.fail('--take-over-timeout-ms', '2000');
    assert.equal(exitCode, 1);
    assert.ok(
      stderr.endsWith(
        `shim-virtiofs: Cannot take over: host ${former.pid} does not answer within 2000 ms: end it (SIGKILL leaves ` +
          'its shares alive), and start this one',
      ),
      stderr,
    );
    process.kill(former.pid, 'SIGCONT');
    await assertServes(former, node);
    await former.shares.close(name);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('because another one does says so, and leaves both alone', async () => {
    await using around = await temporaryDirectory();
    const { daemon, finish } = await slowDaemon(around.path);
    await using node = await openNode({ daemon });
    await using former = await node.start();
    const inFlight = followCall(former.shares.open({ ...name, source: node.source }));
    await whenBegun(node.state, 'sb');
    await using first = await node.follow();
    const { exitCode, stderr } = await node.fail();
    assert.equal(exitCode, 1);
    assert.match(
      stderr,
      /^shim-virtiofs: Cannot take over ".*": another host starts, takes over or ends just now: try again$/m,
    );
    finish();
    assert.ok(!((await inFlight.settled) instanceof Error));
    assert.equal(await ended(former), 0);
    await assertServes(first, node);
    await first.shares.close(name);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('because a program has the state directory that is no server says so', async () => {
    await using node = await openNode();
    await using host = await openTestHost({ config: { state: node.state } });
    await writeFile(node.config, `version = 1\nstate = "${node.state}"\nscratch_dir = "${node.state}"\n`);
    const { exitCode, stderr } = await node.fail();
    assert.equal(exitCode, 1);
    assert.match(stderr, /who has its lock tells no address: it is no "shim-virtiofs serve"; end it$/m);
    await using _ = await serve(host.host);
    const served = await node.fail();
    assert.equal(served.exitCode, 1);
    assert.match(
      served.stderr,
      /host \d+ cannot hand over, as it is an older one or part of another program: end it, and start this one$/m,
    );
    await using client = await connectShares(join(node.state, 'host.sock'));
    assert.equal((await client.client.version({})).pid, process.pid);
  });
});
