import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { mountsBeneath } from '../../src/proc/mountinfo.ts';
import { openHost } from '../../src/host/host.ts';
import { reapSandbox } from '../../src/share/reap.ts';
import { captureLog } from '../harness/captured-log.ts';
import { smallFileSystem } from '../harness/small-file-system.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { openTestHost } from '../harness/test-host.ts';

const MIB = 1 << 20;
const fill = (directory: string, bytes: number): void =>
  writeFileSync(join(directory, 'filling'), Buffer.alloc(bytes, 'x'));

describe('a share without a source', () => {
  test('stands in the scratch directory and not in the state, readable by all whatever the umask', async () => {
    await using directory = await temporaryDirectory();
    const scratch = join(directory.path, 'scratch');
    const former = process.umask(0o077);
    try {
      await using own = await openTestHost({ config: { scratch_dir: scratch } });
      await using share = await own.host.openShare({ sandboxId: 'a', tag: 'work' });
      assert.equal(share.sharedDir.startsWith(`${scratch}/`), true);
      assert.equal(statSync(share.sharedDir).mode & 0o777, 0o755);
      assert.equal(statSync(scratch).mode & 0o777, 0o700);
      await share[Symbol.asyncDispose]();
      assert.deepEqual(readdirSync(own.host.stateDir.sharedDirectory), ['trash']);
    } finally {
      process.umask(former);
    }
  });

  test('has its own place where two hosts have the same scratch directory', async () => {
    await using directory = await temporaryDirectory();
    const config = { scratch_dir: directory.path };
    await using one = await openTestHost({ config });
    await using two = await openTestHost({ config });
    const [of1, of2] = [one.host.stateDir, two.host.stateDir];
    await using share = await one.host.openShare({ sandboxId: 'a', tag: 'work' });
    assert.deepEqual(
      [of1.ownsSharedDirectory(share.sharedDir), of2.ownsSharedDirectory(share.sharedDir)],
      [true, false],
    );
  });

  test('is no source of another share, nor is what holds it', async () => {
    await using directory = await temporaryDirectory();
    const scratch = join(directory.path, 'deep/scratch');
    await using own = await openTestHost({ config: { scratch_dir: scratch } });
    await using share = await own.host.openShare({ sandboxId: 'a', tag: 'work' });
    for (const source of [share.sharedDir, scratch, join(directory.path, 'deep')])
      await assert.rejects(own.host.openShare({ sandboxId: 'b', tag: 'work', source }), {
        code: Code.InvalidArgument,
        message: /(holds|is in) the scratch directory "/,
      });
  });

  test('is limited on a tmpfs, alone, and leaves no mount', async () => {
    await using small = await smallFileSystem(8 * MIB);
    const config = { scratch_dir: small.path, scratch_limit_mib: 2 };
    await using own = await openTestHost({ config });
    await using share = await own.host.openShare({ sandboxId: 'a', tag: 'work' });
    await using other = await own.host.openShare({ sandboxId: 'b', tag: 'work' });
    assert.throws(() => fill(share.sharedDir, 3 * MIB), { code: 'ENOSPC' });
    fill(other.sharedDir, MIB);
    assert.equal(statSync(share.sharedDir).mode & 0o777, 0o755);
    await share[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    assert.deepEqual(mountsBeneath(small.path), [small.path]);
    assert.equal(existsSync(share.sharedDir), false);
    assert.deepEqual(warnings(own.captured.lines), []);
  });

  test('leaves no mount when its host has died', async () => {
    await using small = await smallFileSystem(8 * MIB);
    const config = { scratch_dir: small.path, scratch_limit_mib: 2 };
    await using own = await openTestHost({ config });
    const { stateDir, log } = own.host;
    const share = await own.host.openShare({ sandboxId: 'a', tag: 'work' });
    await share.ready;
    await reapSandbox(stateDir.sandboxDirectory('default', 'a'), { stateDir, log });
    await share.closed;
    assert.deepEqual(mountsBeneath(small.path), [small.path]);
    assert.equal(existsSync(share.sharedDir), false);
  });

  test('is made by nobody where the scratch directory cannot be made', async () => {
    await using directory = await temporaryDirectory();
    writeFileSync(join(directory.path, 'file'), '');
    const config = { version: 1 as const, state: join(directory.path, 'state') };
    const scratch = join(directory.path, 'file/scratch');
    await assert.rejects(openHost({ config: { ...config, scratch_dir: scratch }, log: captureLog().log }), {
      name: 'ConfigError',
      message: /scratch_dir: the directory cannot be made: name another one \(ENOTDIR/,
    });
  });
});

describe('a host whose guests nothing limits', () => {
  for (const [name, config, expected] of [
    [
      'on another file system',
      { scratch_limit_mib: 5 },
      [/^Nothing limits what guests write into shares without a source: set/],
    ],
    ['with no wish for it', { scratch_limit_mib: 0 }, []],
  ] as const) {
    test(`says so once at its start: ${name}`, async () => {
      await using small = await smallFileSystem(4 * MIB);
      await using directory = await temporaryDirectory();
      const own = { version: 1 as const, state: small.path, scratch_dir: directory.path, ...config };
      const captured = captureLog();
      await using _ = await openHost({ config: own, log: captured.log });
      check(captured.lines, expected);
    });
  }

  test('says that they can fill the file system of its state', async () => {
    await using own = await openTestHost();
    check(own.captured.lines, [
      /^Nothing limits .*, and the state is on the same file system: set scratch_dir/,
    ]);
  });
});

describe('a host whose state is full', () => {
  test('opens a share with its reserve, answers, and closes it', async () => {
    await using small = await smallFileSystem(4 * MIB);
    await using directory = await temporaryDirectory();
    const state = join(small.path, 'state');
    mkdirSync(state);
    await using own = await openTestHost({ config: { state, scratch_dir: directory.path } });
    assert.equal(existsSync(join(state, 'reserve')), true);
    small.fill();
    await assert.rejects(execa('sh', ['-c', `echo x > ${small.path}/more`]));
    await using share = await own.host.openShare({ sandboxId: 'a', tag: 'work' });
    const { record } = own.host.stateDir.share('default', 'a', 'work');
    assert.equal((JSON.parse(readFileSync(record, 'utf8')) as { tag: string }).tag, 'work');
    assert.equal(existsSync(join(state, 'reserve')), false);
    await share.ready;
  });
});

const warnings = (lines: ReturnType<typeof captureLog>['lines']): string[] =>
  lines.filter(({ level }) => level === 'warn').map(({ msg }) => msg);

function check(lines: ReturnType<typeof captureLog>['lines'], expected: readonly RegExp[]): void {
  const found = warnings(lines);
  assert.equal(found.length, expected.length, found.join());
  for (const [index, text] of expected.entries()) assert.match(found[index] ?? '', text);
}
