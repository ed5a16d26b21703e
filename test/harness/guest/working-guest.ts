import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../eventually.ts';
import { startGuest, type GuestOptions } from './start-guest.ts';

/** Writes and reads back until it is told to end; each line is a round: its number and the checksum of its file. */
const workOn = (tag: string): string => `
  set -e
  mount -t virtiofs ${tag} /mnt
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

/** A guest that writes into a share and reads back all the while. Disposal kills it. */
export interface WorkingGuest extends AsyncDisposable {
  /** Waits until it has begun and ended a whole round. */
  anotherRound(): Promise<void>;
  /** Has it end; checks that nothing failed it, and, from the host's side, the files that it wrote last. */
  finish(source: string): Promise<void>;
}

/** Boots a guest that works on the share of this tag, and waits for its first round. */
export async function startWorkingGuest(
  tag: string,
  options: Omit<GuestOptions, 'script'>,
): Promise<WorkingGuest> {
  await using stack = new AsyncDisposableStack();
  const guest = stack.use(await startGuest({ ...options, script: workOn(tag) }));
  await guest.waitForLine(/^round/);
  let hasEnded = false;
  void guest.exit.catch(() => {}).finally(() => (hasEnded = true));
  const own = stack.move();
  return {
    async anotherRound() {
      const before = guest.lines.length;
      await eventually('the guest goes on', () => {
        if (hasEnded) throw new Error(`The guest ended: ${guest.lines.join('\n')}`);
        return guest.lines.length >= before + 2;
      });
    },
    async finish(source) {
      guest.write('end\n');
      const { code, lines } = await guest.exit;
      assert.equal(code, 0, lines.join('\n'));
      await checkFiles(source, lines);
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

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
