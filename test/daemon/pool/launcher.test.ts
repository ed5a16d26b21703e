import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createLauncher } from '../../../src/daemon/pool/launcher.ts';
import { identify, isAlive } from '../../../src/proc/stat.ts';
import { openStarter } from '../../../src/daemon/pool/starter.ts';
import { eventually } from '../../harness/eventually.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

describe('createLauncher()', () => {
  test('gives out the starter that it prepared, once, and ends the one that nobody took', async () => {
    await using directory = await temporaryDirectory();
    await using launcher = createLauncher(directory.path);
    const sockets = (count: number): Promise<void> =>
      eventually(`${count} sockets`, () => readdirSync(directory.path).length === count);
    await sockets(0);
    launcher.prepare();
    launcher.prepare();
    await sockets(1);
    const [prepared] = childrenOf(process.pid);
    await using first = launcher.take();
    await using second = launcher.take();
    assert.equal(first.identity.pid, Number(prepared));
    assert.notEqual(second.identity.pid, Number(prepared));
    launcher.prepare();
    await sockets(3);
    await launcher[Symbol.asyncDispose]();
    await sockets(2);
    launcher.prepare();
    await launcher[Symbol.asyncDispose]();
    await sockets(2);
  });

  test('forgets a prepared starter that was killed', async () => {
    await using directory = await temporaryDirectory();
    await using launcher = createLauncher(directory.path);
    launcher.prepare();
    await eventually('a starter is ready', () => readdirSync(directory.path).length === 1);
    const [pid] = childrenOf(process.pid);
    process.kill(Number(pid), 'SIGKILL');
    await eventually('its socket is gone', () => readdirSync(directory.path).length === 0);
    await using next = launcher.take();
    assert.notEqual(next.identity.pid, Number(pid));
  });

  test('gives out no starter whose socket somebody removed, and ends it', async () => {
    await using directory = await temporaryDirectory();
    await using launcher = createLauncher(directory.path);
    launcher.prepare();
    await eventually('a starter is ready', () => readdirSync(directory.path).length === 1);
    const [pid] = childrenOf(process.pid);
    const lost = identify(Number(pid)) ?? assert.fail('it has ended already');
    for (const name of readdirSync(directory.path)) rmSync(join(directory.path, name));
    await using next = launcher.take();
    assert.equal(next.hasSocket(), true);
    await eventually('the other one has ended', () => !isAlive(lost));
  });
});

const childrenOf = (pid: number): string[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean);

describe('openStarter()', () => {
  test('becomes the program under the same pid, with every word as it is', async () => {
    await using directory = await temporaryDirectory();
    await using starter = openStarter(directory.path);
    const outputPath = join(directory.path, "out it's");
    const words = ['a b', "it's", '"$HOME" `id` \\', 'two\nlines', ''];
    const script = 'for word in "$@"; do printf "<%s>" "$word"; done; echo " $$"';
    starter.publish(join(directory.path, 'final.sock'));
    starter.become({
      command: '/bin/sh',
      args: ['-c', script, 'sh', ...words],
      outputPath,
      socket: 'handed-over',
    });
    await once(starter.child, 'exit');
    const expected = `${words.map((word) => `<${word}>`).join('')} ${starter.identity.pid}\n`;
    assert.equal(readFileSync(outputPath, 'utf8'), expected);
  });

  test('gives up its socket for a program that binds one by itself', async () => {
    await using directory = await temporaryDirectory();
    await using starter = openStarter(directory.path);
    const outputPath = join(directory.path, 'out');
    const args = ['-c', 'readlink /proc/$$/fd/0'];
    starter.become({ command: '/bin/sh', args, outputPath, socket: 'own' });
    const others = readdirSync(directory.path).filter((name) => name !== 'out');
    assert.deepEqual(others, []);
    await once(starter.child, 'exit');
    assert.equal(readFileSync(outputPath, 'utf8'), '/dev/null\n');
  });

  test('ends by itself and removes its socket when its host is killed', async () => {
    await using directory = await temporaryDirectory();
    const host = spawn(
      process.execPath,
      ['--no-warnings', '--input-type=module', '-e', HOST, directory.path],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const [line] = (await once(host.stdout, 'data')) as [Buffer];
    const identity = identify(Number(line));
    assert.notEqual(identity, undefined);
    host.kill('SIGKILL');
    await eventually('the starter is gone', () => !identity || !isAlive(identity));
    await eventually('its socket is gone', () => readdirSync(directory.path).length === 0);
  });
});

const HOST = `
import { openStarter } from ${JSON.stringify(new URL('../../../src/daemon/pool/starter.ts', import.meta.url).href)};
const { identity } = openStarter(process.argv[1]);
console.log(identity.pid);
setInterval(() => {}, 1000);
`;
