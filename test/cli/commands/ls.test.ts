import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { shellWords } from '../../../src/cli/shell-words.ts';
import { fakeShare, serveFakeShares } from '../../harness/fake-shares.ts';
import { runShimVirtiofs as run, SHIM_VIRTIOFS } from '../../harness/shim-virtiofs.ts';
import { runOnTerminal } from '../../harness/terminal.ts';

const LONG = `/srv/${'directory/'.repeat(20)}end`;

describe('shim-virtiofs ls', () => {
  test('prints a table whose values are whole where standard output is no terminal', async () => {
    const shares = [
      fakeShare({ sharedDir: LONG }),
      fakeShare({
        namespace: 'k8s.io',
        tag: 'b',
        state: 'exited',
        exit: { cause: 'seccomp' },
        owner: 'shim',
      }),
    ];
    await using fake = await serveFakeShares({ list: () => ({ shares }) });
    const { exitCode, stdout, stderr } = await run('ls', '--address', fake.address);
    assert.deepEqual([exitCode, stderr], [0, '']);
    assert.deepEqual(stdout.split('\n'), [
      'NAMESPACE  SANDBOX  TAG   STATE             PID   OWNER  SHARED DIRECTORY',
      `default    sb1      work  waiting           4711  api    ${LONG}`,
      'k8s.io     sb1      b     exited (seccomp)  4711  shim   /srv/data',
    ]);
  });

  for (const columns of [50, 80, 132]) {
    test(`fits a terminal of ${columns} columns`, async () => {
      const shares = [fakeShare({ sharedDir: LONG, tag: '名'.repeat(12) })];
      await using fake = await serveFakeShares({ list: () => ({ shares }) });
      const lines = await runOnTerminal({ columns }, 'ls', '--address', fake.address);
      const [heading = '', row = ''] = lines;
      assert.match(heading, /^NAM.*STATE/);
      assert.match(row, /….*$/);
      // Each of these is two columns wide.
      const width = row.length + (row.match(/名/g) ?? []).length;
      assert.ok(width <= columns && width > columns - 3, row);
    });
  }

  test('says on standard error that there are none, in JSON on standard output', async () => {
    await using fake = await serveFakeShares({ list: () => ({}) });
    const text = await run('ls', '--address', fake.address);
    assert.deepEqual([text.exitCode, text.stdout, text.stderr], [0, '', 'No shares']);
    const json = await run('ls', '--json', '--address', fake.address);
    assert.deepEqual([json.exitCode, JSON.parse(json.stdout), json.stderr], [0, { shares: [] }, '']);
  });

  test('asks for one namespace where one is named, else for all', async () => {
    const asked: string[] = [];
    await using fake = await serveFakeShares({
      list: ({ namespace }) => {
        asked.push(namespace);
        return {};
      },
    });
    await run('ls', '--address', fake.address);
    await run('ls', '-n', 'k8s.io', '--address', fake.address);
    assert.deepEqual(asked, ['', 'k8s.io']);
  });

  test('shows what would steer a terminal', async () => {
    const shares = [fakeShare({ tag: '\x1b[2J', sharedDir: '/srv/\u202e\u009b2J' })];
    await using fake = await serveFakeShares({ list: () => ({ shares }) });
    const { stdout } = await run('ls', '--address', fake.address);
    assert.match(stdout, / \\x1b\[2J .* \/srv\/\\u\{202e\}\\x9b2J$/);
    const json = await run('ls', '--json', '--address', fake.address);
    assert.match(json.stdout, /"\\u001b\[2J"/);
    assert.match(json.stdout, /"\/srv\/\\u202e\\u009b2J"/);
  });

  test('ends quietly where nobody reads any more', async () => {
    const shares = Array.from({ length: 3000 }, (_, index) => fakeShare({ tag: `t${index}` }));
    await using fake = await serveFakeShares({ list: () => ({ shares }) });
    const command = shellWords([process.execPath, SHIM_VIRTIOFS, 'ls', '--address', fake.address]);
    const { stdout, stderr } = await execa('sh', ['-c', `{ ${command}; echo "$?" >&2; } | head -1`]);
    assert.match(stdout, /^NAMESPACE .*\n?$/);
    assert.equal(stderr, '0');
  });

  test('exits with 1 where its output cannot be written', async () => {
    await using fake = await serveFakeShares({ list: () => ({ shares: [fakeShare()] }) });
    const command = shellWords([process.execPath, SHIM_VIRTIOFS, 'ls', '--address', fake.address]);
    const { exitCode, stderr } = await execa('sh', ['-c', `${command} >/dev/full`], { reject: false });
    assert.equal(exitCode, 1);
    assert.match(stderr, /^shim-virtiofs: Cannot write to standard output: ENOSPC/);
  });
});
