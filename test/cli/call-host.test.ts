import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code, StatusError } from 'ttrpc-ts';
import { HANDED_OVER } from '../../src/errors.ts';
import { fakeShare, serveFakeShares } from '../harness/fake-shares.ts';
import { runShimVirtiofs as run, SHIM_VIRTIOFS } from '../harness/shim-virtiofs.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

const NOBODY = 65_534;
const NOT_ROOT = process.getuid?.() === 0 ? false : 'needs root, to give a socket to another user';

const COMMANDS: [name: string, ...args: string[]][] = [
  ['ls'],
  ['inspect', 'sb1'],
  ['open', 'sb1', 'work', '/srv'],
  ['close', 'sb1'],
  ['watch'],
];

describe('callHost()', () => {
  for (const args of COMMANDS) {
    test(`${args[0]} exits with 3 and says how to start a host where none runs`, async () => {
      await using directory = await temporaryDirectory();
      const state = join(directory.path, 'state');
      const { exitCode, stdout, stderr } = await run(...args, '--state', state);
      assert.deepEqual([exitCode, stdout], [3, '']);
      const start = `shim-virtiofs serve --state ${state}`;
      assert.equal(stderr, `shim-virtiofs: No shim host runs on "${state}": start one with "${start}"`);
    });
  }

  test('exits with 3 where a host was killed, whose address is left', async () => {
    await using directory = await temporaryDirectory();
    const address = join(directory.path, 'host.sock');
    await writeFile(join(directory.path, 'host.address'), `${address}\n`);
    assert.match((await run('ls', '--state', directory.path)).stderr, /No shim host runs on ".*host\.sock"/);
    // A killed process's socket stays; closing one unlinks it.
    const code = `require('node:net').createServer().listen(${JSON.stringify(address)}, () => process.kill(process.pid, 'SIGKILL'))`;
    await once(spawn(process.execPath, ['-e', code]), 'exit');
    const { exitCode, stderr } = await run('ls', '--state', directory.path);
    assert.equal(exitCode, 3);
    assert.match(stderr, /No shim host runs on ".*host\.sock": start one with/);
  });

  test("finds the host by address, by state, and by the configuration's state", async () => {
    await using directory = await temporaryDirectory();
    await using fake = await serveFakeShares({ list: () => ({ shares: [fakeShare({ tag: 'found' })] }) });
    const [state, config] = [join(directory.path, 'state'), join(directory.path, 'config.toml')];
    await mkdir(state);
    await writeFile(join(state, 'host.address'), `${fake.address}\n`);
    await writeFile(config, `version = 1\nstate = "${state}"\n`);
    for (const choice of [
      ['--address', fake.address],
      ['--state', state],
      ['--config', config],
      ['-c', config, '--state', state],
    ]) {
      const { exitCode, stdout, stderr } = await run('ls', ...choice);
      assert.deepEqual([exitCode, stderr], [0, ''], choice.join(' '));
      assert.match(stdout, /found/);
    }
  });

  test('exits with 2 and names the configuration that is wrong', async () => {
    await using directory = await temporaryDirectory();
    const config = join(directory.path, 'config.toml');
    await writeFile(config, 'version = 2\n');
    const { exitCode, stderr } = await run('ls', '--config', config);
    assert.equal(exitCode, 2);
    assert.match(stderr, /Invalid configuration ".*config\.toml": version: /);
  });

  test('says that an older host has no share service', async () => {
    await using fake = await serveFakeShares();
    const { exitCode, stderr } = await run('ls', '--address', fake.address);
    assert.equal(exitCode, 1);
    assert.match(stderr, /has no share service: it is an older one; restart it with this version$/);
  });

  test('passes on that a provider cannot do what is asked', async () => {
    const message = 'Cannot start share "a": The C virtiofsd has no read-only shares: use the Rust virtiofsd';
    await using fake = await serveFakeShares({
      open() {
        throw new StatusError(Code.Unimplemented, message);
      },
    });
    const { exitCode, stderr } = await run('open', 'sb', 'a', '--address', fake.address);
    assert.deepEqual([exitCode, stderr], [1, `shim-virtiofs: ${message}`]);
  });

  test("says whose the host's socket is where it may not be opened", { skip: NOT_ROOT }, async () => {
    await using fake = await serveFakeShares();
    await chown(fake.address, NOBODY, NOBODY);
    // Root is let in everywhere by these alone.
    const without = ['--bounding-set', '-dac_override,-dac_read_search', '--', process.execPath];
    const { exitCode, stderr } = await execa(
      'setpriv',
      [...without, SHIM_VIRTIOFS, 'ls', '--address', fake.address],
      { reject: false },
    );
    const problem = `The host's socket "${fake.address}" is its owner's alone: run this as that user`;
    assert.deepEqual([exitCode, stderr], [1, `shim-virtiofs: ${problem}`]);
  });

  test('exits with 4 for what is not there, with 2 for a wrong name, with 1 for the rest, each in its words', async () => {
    const codes: [Code, number][] = [
      [Code.NotFound, 4],
      [Code.InvalidArgument, 2],
      [Code.FailedPrecondition, 1],
      [Code.AlreadyExists, 1],
      // The host's own, whose connection stays.
      [Code.Unavailable, 1],
    ];
    for (const [code, expected] of codes) {
      await using fake = await serveFakeShares({
        close: () => {
          throw new StatusError(code, 'Why \x1b[2J');
        },
      });
      const { exitCode, stderr } = await run('close', 'sb1', '--address', fake.address);
      assert.deepEqual([exitCode, stderr], [expected, 'shim-virtiofs: Why \\x1b[2J']);
    }
  });

  test('exits with 3 where the host ends before it answers', async () => {
    const arrived = Promise.withResolvers<void>();
    await using fake = await serveFakeShares({
      close: () => {
        arrived.resolve();
        return new Promise(() => {});
      },
    });
    const ended = run('close', 'sb1', '--address', fake.address);
    await arrived.promise;
    await fake.end();
    const { exitCode, stderr } = await ended;
    assert.deepEqual(
      [exitCode, stderr],
      [3, `shim-virtiofs: The shim host on "${fake.address}" has ended meanwhile`],
    );
  });

  test('calls again where the host hands over to another that has its address', async () => {
    let calls = 0;
    await using fake = await serveFakeShares({
      close: () => {
        calls++;
        if (calls === 1) throw new StatusError(Code.Unavailable, HANDED_OVER);
        return { closed: 1 };
      },
    });
    const { exitCode, stderr } = await run('close', 'sb1', '--address', fake.address);
    assert.deepEqual([exitCode, stderr, calls], [0, '', 2]);
  });

  test('ends at Ctrl-C while it waits, by that signal', async () => {
    const arrived = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    await using fake = await serveFakeShares({
      close: (_, { signal }) => {
        arrived.resolve();
        signal.addEventListener('abort', () => gone.resolve());
        return new Promise(() => {});
      },
    });
    const child = spawn(process.execPath, [SHIM_VIRTIOFS, 'close', 'sb1', '--address', fake.address]);
    const exit = once(child, 'exit');
    await arrived.promise;
    child.kill('SIGINT');
    assert.deepEqual(await exit, [null, 'SIGINT']);
    await gone.promise;
  });
});
