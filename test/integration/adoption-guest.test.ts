import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { qemuArguments } from '../../src/vmm/qemu.ts';
import { eventually } from '../harness/eventually.ts';
import { startGuest, type Guest } from '../harness/guest/start-guest.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { startServe, type ServeProcess } from '../harness/serve-process.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';

// Needs root.

const MEMORY_MIB = 256;
const ENDS = ['SIGKILL', 'SIGTERM', 'take-over', 'SIGKILL', 'take-over'] as const;
const name = { sandboxId: 'vm', tag: 'work' };

/** Writes and reads back until it is told to end; each line is a round: its number and the checksum of its file. */
const WORK = `
  set -e
  mount -t virtiofs work /mnt
  work() {
    round=0
    while [ ! -e /tmp/end ]; do
      round=$((round + 1))
      dd if=/dev/urandom of=/tmp/data bs=64k count=4 2>/dev/null
      dd if=/tmp/data of=/mnt/data-$((round % 8)) bs=64k conv=fsync 2>/dev/null
      echo 3 >/proc/sys/vm/drop_caches
      want=$(sha256sum </tmp/data)
      got=$(sha256sum </mnt/data-$((round % 8)))
      [ "$want" = "$got" ] || { echo "round $round: wrote $want, read $got"; exit 9; }
      mv /mnt/data-$((round % 8)) /mnt/file-$((round % 8))
      echo "round $round \${got%% *}"
    done
  }
  work &
  read line
  touch /tmp/end
  wait $!
  umount /mnt`;

/** Waits until the guest has begun and ended a whole round. */
async function anotherRound(guest: Guest): Promise<void> {
  const before = guest.lines.length;
  let hasEnded = false;
  void guest.exit.catch(() => {}).finally(() => (hasEnded = true));
  await eventually('the guest goes on', () => {
    if (hasEnded) throw new Error(`The guest ended: ${guest.lines.join('\n')}`);
    return guest.lines.length >= before + 2;
  });
}

/** Checks, from the host's side, the files that the guest wrote last. */
async function checkFiles(source: string, lines: readonly string[]): Promise<void> {
  const newest = new Map(
    lines.map((line) => {
      const [, round = '', sum = ''] = /^round (\d+) ([0-9a-f]{64})$/.exec(line) ?? assert.fail(line);
      return [Number(round) % 8, sum];
    }),
  );
  for (const [file, sum] of newest) {
    // oxlint-disable-next-line no-await-in-loop -- eight at most
    const content = await readFile(join(source, `file-${file}`));
    assert.equal(createHash('sha256').update(content).digest('hex'), sum);
  }
}

for (const { name: virtiofsd, dialect, path: daemon, skip } of await realVirtiofsds()) {
  describe(`a guest on ${virtiofsd}`, { skip }, () => {
    test('works on while its host dies or is followed again and again, and has one share all the while', async () => {
      await using directory = await temporaryDirectory();
      const [source, state] = [join(directory.path, 'source'), join(directory.path, 'state')];
      await mkdir(source);
      await using hosts = new AsyncDisposableStack();
      const start = async (...args: string[]): Promise<ServeProcess> =>
        hosts.use(await startServe(directory.path, { daemon, dialect, args }));
      const followHost = async (former: ServeProcess, end: (typeof ENDS)[number]): Promise<ServeProcess> => {
        if (end !== 'take-over') {
          await former.end(end);
          await anotherRound(guest);
          return start();
        }
        const next = await start('--take-over');
        assert.equal(await former.end('SIGCONT'), 0);
        return next;
      };

      let host = await start();
      const { share } = await host.shares.open({ ...name, source });
      assert.ok(share);
      await using guest = await startGuest({
        script: WORK,
        memoryMiB: MEMORY_MIB,
        qemuArguments: qemuArguments([share], { memoryMiB: MEMORY_MIB }).slice(2), // the guest has its -m
      });
      await guest.waitForLine(/^round/);
      for (const end of ENDS) {
        host = await followHost(host, end);
        const { share: adopted } = await host.shares.get(name);
        assert.deepEqual([adopted?.pid, adopted?.state, adopted?.adopted], [share.pid, 'connected', true]);
        assert.equal(adopted?.socketPath, share.socketPath);
        await anotherRound(guest);
      }
      guest.write('end\n');
      const { code, lines } = await guest.exit;
      assert.equal(code, 0, lines.join('\n'));
      await checkFiles(source, lines);

      await eventually('the end is seen', async () => {
        const { share: left } = await host.shares.get(name);
        return left?.exit?.cause === 'disconnected';
      });
      assert.equal((await host.shares.close(name)).closed, 1);
      assert.equal(isGone(share.pid), true);
      assert.deepEqual(await leftovers(state), []);
    });
  });
}
