import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { lockFile } from '../../src/proc/flock.ts';
import { eventually } from '../harness/eventually.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

const lockUrl = new URL('../../src/proc/flock.ts', import.meta.url).href;

/** A process that locks a file, says the pid of a child that outlives it, and stays. */
const LOCKER = `
import { spawn } from 'node:child_process';
import { lockFile } from ${JSON.stringify(lockUrl)};
await lockFile(process.argv[1]);
console.log(spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }).pid);
setInterval(() => {}, 1000);
`;

/** A process that locks a file, with a command for its death, and dies. */
const DYING = `
import { lockFile } from ${JSON.stringify(lockUrl)};
const [, path, go] = process.argv;
await lockFile(path, { onDeath: ['sh', '-c', 'cat "$1" >"$0.said"', path, go] });
process.kill(process.pid, 'SIGKILL');
`;

describe('lockFile()', () => {
  test('rejects a second holder with FailedPrecondition until the first lets go', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'lock');
    const first = await lockFile(path);
    await assert.rejects(lockFile(path), {
      name: 'StatusError',
      code: Code.FailedPrecondition,
      message: `Another host uses "${path}": end it, or give this one a state directory of its own`,
    });
    await first[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
    await (await lockFile(path))[Symbol.asyncDispose]();
  });

  test('waits for another holder as long as it is told', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'lock');
    const first = await lockFile(path);
    await assert.rejects(lockFile(path, { waitMs: 10 }), { code: Code.FailedPrecondition });
    const second = lockFile(path, { waitMs: 600_000 });
    await eventually('it waits', () => readFileSync('/proc/locks', 'utf8').includes('-> FLOCK'));
    await first[Symbol.asyncDispose]();
    await using _ = await second;
    await assert.rejects(lockFile(path), { code: Code.FailedPrecondition });
  });

  test('is let go by SIGKILL of its holder, even while children of the holder live', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'lock');
    const holder = execa(process.execPath, ['--input-type=module', '-e', LOCKER, path], {
      reject: false,
      cleanup: true,
      env: { NODE_NO_WARNINGS: '1' },
    });
    const [child] = (await once(holder.stdout, 'data')) as [Buffer];
    try {
      await assert.rejects(lockFile(path), { code: Code.FailedPrecondition });
      holder.kill('SIGKILL');
      await holder;
      await eventually('the lock is free', async () => {
        const lock = await lockFile(path).catch(() => undefined);
        await lock?.[Symbol.asyncDispose]();
        return lock !== undefined;
      });
    } finally {
      process.kill(Number(child), 'SIGKILL');
    }
  });

  test('lets the holder become a command when its process dies, and waits for the end of it', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'lock');
    const go = join(directory.path, 'go');
    await execa('mkfifo', [go]);
    const dying = execa(process.execPath, ['--input-type=module', '-e', DYING, path, go], {
      env: { NODE_NO_WARNINGS: '1' },
      reject: false,
    });
    await dying;
    await eventually('the command runs', () => readFileSync(path, 'utf8') === 'ending\n');
    const waiting = lockFile(path);
    // The command opens the fifo, and ends when it has read from it.
    await writeFile(go, 'on\n');
    await using _ = await waiting;
    assert.equal(readFileSync(`${path}.said`, 'utf8'), 'on\n');
    assert.equal(readFileSync(path, 'utf8'), '');
  });

  test('runs no command at disposal', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'lock');
    const ran = join(directory.path, 'ran');
    await (await lockFile(path, { onDeath: ['touch', ran] }))[Symbol.asyncDispose]();
    await (await lockFile(path))[Symbol.asyncDispose]();
    assert.equal(existsSync(ran), false);
  });

  test('says what to install where there is no flock(1)', async () => {
    await using directory = await temporaryDirectory();
    const code = `import { lockFile } from ${JSON.stringify(lockUrl)};
      await lockFile(process.argv[1]).catch(({ code, message }) => console.log(code, message));`;
    const { stdout } = await execa(
      process.execPath,
      ['--input-type=module', '-e', code, join(directory.path, 'lock')],
      {
        env: { PATH: '/nonexistent', NODE_NO_WARNINGS: '1' },
      },
    );
    assert.equal(stdout.includes('there is no flock(1): install util-linux'), true, stdout);
    assert.equal(stdout.startsWith(`${Code.Unavailable} Cannot lock "`), true, stdout);
  });

  test('says what is wrong where the file cannot be made', async () => {
    await assert.rejects(lockFile('/nonexistent/lock'), {
      code: Code.Unavailable,
      message: 'Cannot lock "/nonexistent/lock": flock ended with 66: check that its directory is writable',
    });
  });
});
