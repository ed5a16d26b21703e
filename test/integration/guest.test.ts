import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { runGuest } from '../harness/guest/run-guest.ts';
import { startGuest } from '../harness/guest/start-guest.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { obtainOrSkip } from '../setup/obtain.ts';

// The harness on a virtiofsd that is started by hand; the product's own way has tests of its own. Needs root.

const cDaemon = await obtainOrSkip('virtiofsd-c');
const rustDaemon = await obtainOrSkip('virtiofsd-rust');
const dialects = [
  { name: 'C virtiofsd', ...cDaemon, argumentsFor: (dir: string) => ['-o', `source=${dir}`, '-f'] },
  { name: 'Rust virtiofsd', ...rustDaemon, argumentsFor: (dir: string) => [`--shared-dir=${dir}`] },
];

describe('startGuest()', () => {
  for (const { name, part, skip, argumentsFor } of dialects) {
    test(`reads and writes a directory shared by the ${name}`, { skip }, async () => {
      await using share = await shareByHand(part ?? '', argumentsFor);
      await writeFile(join(share.directory, 'from-host'), 'written by the host\n');
      const script = `
        set -e
        mount -t virtiofs try /mnt
        cat /mnt/from-host
        echo 'written by the guest' > /mnt/from-guest
        umount /mnt`;
      const { code, output } = await runGuest({ script, qemuArguments: share.qemuArguments });
      assert.deepEqual({ code, output }, { code: 0, output: 'written by the host' });
      const answer = await readFile(join(share.directory, 'from-guest'), 'utf8');
      assert.equal(answer, 'written by the guest\n');
    });
  }

  test('is driven step by step through the console and reports the exit status of the script', async () => {
    await using guest = await startGuest({
      script: 'echo ready; while read line; do echo "got $line"; [ $line = end ] && exit 7; done',
    });
    await guest.waitForLine('ready');
    guest.write('one\n');
    assert.equal(await guest.waitForLine(/^got/), 'got one');
    guest.write('end\n');
    assert.deepEqual(await guest.exit, { code: 7, lines: ['ready', 'got one', 'got end'] });
  });

  test('kills QEMU at the timeout and shows the last console lines', async ({ mock }) => {
    // The types do not know it yet.
    mock.timers.enable({ apis: ['AbortSignal.timeout' as 'setTimeout'] });
    await using guest = await startGuest({ script: 'echo stuck; read line', timeoutMs: 5000 });
    await guest.waitForLine('stuck');
    mock.timers.tick(5000);
    await assert.rejects(guest.exit, {
      name: 'GuestError',
      message: 'The guest did not end within 5000 ms\n  | stuck',
    });
    assert.equal(existsSync(`/proc/${guest.pid}`), false);
  });

  test('kills QEMU when the signal aborts', async () => {
    const controller = new AbortController();
    await using guest = await startGuest({ script: 'read line', signal: controller.signal });
    const waiting = assert.rejects(guest.waitForLine('never'), { name: 'GuestError' });
    controller.abort();
    await assert.rejects(guest.exit, { name: 'GuestError', message: 'The guest was stopped' });
    await waiting;
    assert.equal(existsSync(`/proc/${guest.pid}`), false);
  });

  test('rejects with what QEMU says about an argument', async () => {
    await using guest = await startGuest({ script: '', qemuArguments: ['-nonsense'] });
    await assert.rejects(guest.exit, /-nonsense: invalid option/);
  });
});

interface SharedByHand extends AsyncDisposable {
  readonly directory: string;
  readonly qemuArguments: readonly string[];
}

async function shareByHand(
  virtiofsd: string,
  argumentsFor: (directory: string) => string[],
): Promise<SharedByHand> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const directory = join(path, 'shared');
  await mkdir(directory);
  const socket = join(path, 'vfs.sock');
  const daemon = execa(virtiofsd, [`--socket-path=${socket}`, ...argumentsFor(directory)], {
    all: true,
    reject: false,
  });
  stack.defer(async () => {
    daemon.kill();
    await daemon;
  });
  const { promise: waiting, resolve } = Promise.withResolvers<void>();
  createInterface({ input: daemon.all }).on('line', (line) => /waiting for/i.test(line) && resolve());
  await Promise.race([waiting, daemon]);
  const memory = ['-object', 'memory-backend-memfd,id=mem,size=256M,share=on', '-numa', 'node,memdev=mem'];
  const device = 'vhost-user-fs-pci,chardev=fs0,tag=try,queue-size=128';
  const qemuArguments = [...memory, '-chardev', `socket,id=fs0,path=${socket}`, '-device', device];
  const resources = stack.move();
  return { directory, qemuArguments, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
