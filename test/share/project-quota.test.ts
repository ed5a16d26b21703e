import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { limitDirectory, quotaMount, unlimitDirectory } from '../../src/share/project-quota.ts';
import { reapSandbox } from '../../src/share/reap.ts';
import { runOnGuestKernel } from '../harness/guest/run-on-guest-kernel.ts';
import { eventually } from '../harness/eventually.ts';
import { quotaFileSystem, type QuotaFileSystem } from '../harness/quota-file-system.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { openTestHost } from '../harness/test-host.ts';
import { obtain } from '../setup/obtain.ts';

// They need root and a kernel that knows project quotas. Where this machine's does not, all run on the guest's.

const MODULES = ['fs/quota/quota_tree.ko', 'fs/quota/quota_v2.ko', 'drivers/block/loop.ko'];

await obtain('quota');
const hasQuotas = await quotaFileSystem().then(
  async (own) => {
    await own[Symbol.asyncDispose]();
    return true;
  },
  () => false,
);

if (hasQuotas) describe('a project quota', defineTests);
else
  test('a project quota, on the kernel of a guest', async () => {
    const command = `cd "${process.cwd()}" && "${process.execPath}" "${import.meta.filename}"`;
    const { code, output } = await runOnGuestKernel(command, { modules: MODULES });
    assert.equal(code, 0, output);
    assert.match(output, /pass [1-9]/);
  });

/** As a daemon writes: without the right to go beyond a quota. */
const fill = (directory: string, mib: number): Promise<unknown> =>
  execa('setpriv', [
    '--bounding-set=-sys_resource',
    'dd',
    'if=/dev/zero',
    `of=${join(directory, 'filling')}`,
    'bs=1M',
    `count=${mib}`,
    'status=none',
  ]);

const idsOf = async (own: QuotaFileSystem): Promise<string[]> =>
  Object.keys(await own.usage()).filter((id) => id !== '0');

async function withPath(path: string, action: () => Promise<void>): Promise<void> {
  const former = process.env['PATH'];
  process.env['PATH'] = path;
  try {
    await action();
  } finally {
    process.env['PATH'] = former;
  }
}

function defineTests(): void {
  test('limits each share without a source alone, and is given back with it', async () => {
    await using small = await quotaFileSystem();
    await using own = await openTestHost({ config: { scratch_dir: small.path, scratch_limit_mib: 4 } });
    await using share = await own.host.openShare({ sandboxId: 'a', tag: 'work' });
    await using other = await own.host.openShare({ sandboxId: 'b', tag: 'work' });
    await assert.rejects(fill(share.sharedDir, 6), { stderr: /quota exceeded/ });
    await fill(other.sharedDir, 2);
    assert.deepEqual(
      Object.values(await small.usage()).flatMap(({ limitKib }) => limitKib || []),
      [4096, 4096],
    );
    await share[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    await eventually('no project is left', async () => (await idsOf(small)).length === 0);
    assert.deepEqual(
      own.captured.lines.filter(({ level }) => level === 'warn'),
      [],
    );
  });

  test('ends with what a dead host left', async () => {
    await using small = await quotaFileSystem();
    await using own = await openTestHost({ config: { scratch_dir: small.path, scratch_limit_mib: 4 } });
    const { stateDir, log } = own.host;
    const share = await own.host.openShare({ sandboxId: 'a', tag: 'work' });
    await share.ready;
    assert.equal((await idsOf(small)).length, 1);
    await reapSandbox(stateDir.sandboxDirectory('default', 'a'), { stateDir, log });
    await share.closed;
    await eventually('no project is left', async () => (await idsOf(small)).length === 0);
    assert.equal(existsSync(share.sharedDir), false);
  });

  test('takes no project id that has files, a limit or a name', async () => {
    await using small = await quotaFileSystem();
    const first = 2 ** 30 + 0x1234;
    const used = join(small.path, 'used');
    const own = join(small.path, '00001234');
    for (const path of [used, own]) mkdirSync(path);
    assert.equal(quotaMount(own), small.path, 'found from below its mountpoint');
    assert.equal(quotaMount('/proc'), undefined);
    await execa('chattr', ['-p', String(first), '+P', used]);
    await execa('setquota', ['-P', String(first + 1), '0', '9', '0', '0', small.path]);
    await limitDirectory(own, small.path, { kib: 4096, inodes: 100 });
    const { stdout } = await execa('lsattr', ['-pd', own]);
    assert.match(stdout, new RegExp(`^ *${first + 2} .*P`));
    await unlimitDirectory(own, small.path);
    await unlimitDirectory(used, small.path);
    assert.deepEqual((await small.usage())[String(first + 1)], { kib: 0, limitKib: 9 });
  });

  test('that cannot be set leaves no directory and no limit', async () => {
    await using small = await quotaFileSystem();
    await using own = await openTestHost({ config: { scratch_dir: small.path, scratch_limit_mib: 4 } });
    await using programs = await temporaryDirectory();
    writeFileSync(join(programs.path, 'chattr'), '#!/bin/sh\necho no such luck >&2; exit 1', { mode: 0o755 });
    await withPath(`${programs.path}:${process.env['PATH']}`, () =>
      assert.rejects(own.host.openShare({ sandboxId: 'a', tag: 'work' }), {
        code: Code.Unavailable,
        message: /^Cannot limit a directory: chattr -p \d+ \+P .*: no such luck$/,
      }),
    );
    assert.deepEqual(readdirSync(own.host.stateDir.sharedDirectory), ['trash']);
    assert.deepEqual(await idsOf(small), []);
  });

  test('is not had without the programs for it, which a warning names', async () => {
    await using small = await quotaFileSystem();
    await withPath('/usr/bin', async () => {
      await using own = await openTestHost({ config: { scratch_dir: small.path, scratch_limit_mib: 4 } });
      await using share = await own.host.openShare({ sandboxId: 'a', tag: 'work' });
      await share.ready;
      assert.deepEqual(
        own.captured.lines.filter(({ level }) => level === 'warn').map(({ msg }) => msg),
        [
          'Nothing limits what guests write into shares without a source: install repquota, setquota ' +
            '(packages e2fsprogs and quota), or set scratch_limit_mib to 0',
        ],
      );
    });
  });
}
