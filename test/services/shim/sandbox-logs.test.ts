import assert from 'node:assert/strict';
import { closeSync, constants, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { writeBundle } from '../../harness/bundle.ts';
import { eventually } from '../../harness/eventually.ts';
import { serveTestHost, type ServedHost } from '../../harness/test-host.ts';

interface Bundle extends Disposable {
  readonly path: string;
  /** The lines that came so far. */
  lines(): Record<string, unknown>[];
}

/** A bundle with a FIFO that is read, as containerd makes it. */
async function bundleOf(own: ServedHost, source: string): Promise<Bundle> {
  const path = await writeBundle(own.path, [{ type: 'virtiofs', destination: 'work', source }]);
  const log = join(path, 'log');
  await execa('mkfifo', [log]);
  const fd = openSync(log, constants.O_RDWR | constants.O_NONBLOCK);
  let text = '';
  return {
    path,
    lines() {
      const chunk = Buffer.alloc(1 << 16);
      try {
        text += chunk.toString('utf8', 0, readSync(fd, chunk));
      } catch {
        // EAGAIN: no more
      }
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

/** How many descriptors of this process are open for a bundle's log, besides the reader's. */
const writersOf = ({ path }: Bundle): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      // The kernel says so behind the name of what was deleted.
      return readlinkSync(`/proc/self/fd/${fd}`).replace(/ \(deleted\)$/, '') === join(path, 'log');
    } catch {
      return false;
    }
  }).length - 1;

describe('createSandboxLogs()', () => {
  test("gives each bundle its sandbox's lines, from the first to the last, and closes", async () => {
    await using own = await serveTestHost();
    using one = await bundleOf(own, own.source);
    using two = await bundleOf(own, own.source);
    await own.client.createSandbox({ sandboxId: 'one', bundlePath: one.path });
    await own.client.createSandbox({ sandboxId: 'two', bundlePath: two.path });
    await own.client.shutdownSandbox({ sandboxId: 'one' });
    await eventually('the log is closed', () => writersOf(one) === 0);
    assert.equal(writersOf(two), 1);
    const lines = one.lines();
    assert.ok(lines.every(({ sandbox }) => sandbox === 'one'));
    assert.ok(lines.some(({ cause }) => cause === 'stopped'));
    const logged = own.captured.lines.filter(({ sandbox }) => sandbox === 'one');
    assert.deepEqual(lines, logged.slice(0, lines.length));
    await own.client.shutdownSandbox({ sandboxId: 'two' });
    await eventually('the other is closed', () => writersOf(two) === 0);
    assert.ok(two.lines().every(({ sandbox }) => sandbox === 'two'));
  });

  test('gives a bundle the error of a sandbox that cannot be made, and closes', async () => {
    await using own = await serveTestHost();
    using bundle = await bundleOf(own, '/nowhere/at/all');
    await assert.rejects(own.client.createSandbox({ sandboxId: 'sb', bundlePath: bundle.path }));
    await eventually('the log is closed', () => writersOf(bundle) === 0);
    const last = bundle.lines().at(-1);
    assert.deepEqual(
      [last?.['level'], last?.['method'], last?.['sandbox']],
      ['error', 'containerd.runtime.sandbox.v1.Sandbox/CreateSandbox', 'sb'],
      JSON.stringify(last),
    );
  });

  test('closes what is open when the host ends, and keeps nobody waiting who reads nothing', async () => {
    const own = await serveTestHost();
    using bundle = await bundleOf(own, own.source);
    await own.client.createSandbox({ sandboxId: 'sb', bundlePath: bundle.path });
    for (let number = 0; number < 2000; number++)
      own.host.log.info({ sandbox: 'sb', number }, 'As much as no pipe takes');
    await own.client.pingSandbox({ sandboxId: 'sb' });
    await own[Symbol.asyncDispose]();
    await eventually('the log is closed', () => writersOf(bundle) === 0);
  });
});
