import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { runShimVirtiofs as run, SHIM_VIRTIOFS } from '../harness/shim-virtiofs.ts';
import { TELL_MODULES, toldModules } from '../harness/tell-modules.ts';

const HOST = ['--config FILE', '--state DIR', '--address SOCKET'];
const SHARE = ['--read-only', '--cache MODE', '--shared-fs NAME'];
const VMM = ['--memory-mib N', '--vmm NAME', '--bus ID'];

const COMMANDS: [name: string, options: string[]][] = [
  [
    'serve',
    [
      '--config FILE',
      '--state DIR',
      '--announce',
      '--idle-timeout-ms N',
      '--take-over',
      '--take-over-timeout-ms N',
      '--force',
      '--help',
    ],
  ],
  ['ls', [...HOST, '--namespace NAME', '--json', '--help']],
  ['inspect', [...HOST, '--namespace NAME', ...VMM, '--json', '--help']],
  ['open', [...HOST, '--namespace NAME', ...SHARE, ...VMM, '--json', '--help']],
  ['close', [...HOST, '--namespace NAME', '--json', '--help']],
  [
    'mount',
    [
      ...HOST,
      '--namespace NAME',
      '--read-only',
      '--type TYPE',
      '--options LIST',
      '--image-config FILE',
      '--json',
      '--help',
    ],
  ],
  ['unmount', [...HOST, '--namespace NAME', '--json', '--help']],
  ['mounts', [...HOST, '--namespace NAME', '--json', '--help']],
  ['watch', [...HOST, '--namespace NAME', '--json', '--help']],
  ['run', ['--config FILE', '--tag TAG', ...SHARE, ...VMM, '--verbose', '--json', '--help']],
  ['check-config', ['--config FILE', '--state DIR', '--help']],
];

describe('shim-virtiofs', () => {
  test('--help lists the commands', async () => {
    const { exitCode, stdout, stderr } = await run('--help');
    assert.deepEqual([exitCode, stderr], [0, '']);
    const list = /^Commands:\n(?: {2}.*\n)+/m.exec(stdout)?.[0];
    const names = COMMANDS.map(([name]) => name);
    assert.deepEqual(list?.match(/(?<=^ {2})\S+(?= {2,}\S)/gm), names);
    assert.match(stdout, /--version/);
  });

  for (const [name, options] of COMMANDS) {
    test(`${name} --help says its options, all and no others, and its exit status`, async () => {
      const { exitCode, stdout, stderr } = await run(name, '--help');
      assert.deepEqual([exitCode, stderr], [0, '']);
      assert.match(stdout, new RegExp(`^Usage: shim-virtiofs ${name} `));
      assert.deepEqual(stdout.match(/(?<=^ {2}(?:-\w, | {4}))--\S+( [A-Z]+)?(?= {2})/gm), options);
      assert.match(stdout, /^Exit status: 0 .*2 .*\.$/m);
    });
  }

  test('says in one line where there is no /proc', async () => {
    const script = 'mount -t tmpfs none /proc; exec "$@"';
    const hidden = ['--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh'];
    const command = [process.execPath, '--no-warnings', SHIM_VIRTIOFS, 'check-config'];
    const { exitCode, stdout, stderr } = await execa('unshare', [...hidden, ...command], { reject: false });
    assert.deepEqual(
      { exitCode, stdout, stderr },
      {
        exitCode: 1,
        stdout: '',
        stderr: 'shim-virtiofs: There is no /proc here: mount it (mount -t proc proc /proc)',
      },
    );
  });

  test('--version is that of the package', async () => {
    const { exitCode, stdout } = await run('--version');
    const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
    const { version } = JSON.parse(text) as { version: string };
    assert.deepEqual([exitCode, stdout], [0, `shim-virtiofs ${version}`]);
  });

  for (const option of ['--version', '--help', '--nonsense'])
    test(`${option} loads no command and no package`, async () => {
      const args = [TELL_MODULES, SHIM_VIRTIOFS, option];
      const { stderr } = await execa(process.execPath, args, { reject: false });
      const modules = toldModules(stderr);
      assert.ok(modules.some((url) => url.endsWith('/src/cli/main.ts')));
      const heavy = /\/(?:commands|host|services|node_modules|ttrpc-ts)\//;
      assert.deepEqual(
        modules.filter((url) => heavy.test(url)),
        [],
      );
    });

  for (const name of ['ls', 'open', 'watch'])
    test(`${name} loads neither a host nor what reads a configuration`, async () => {
      const positionals = name === 'open' ? ['sb', 'a'] : [];
      const args = [TELL_MODULES, SHIM_VIRTIOFS, name, ...positionals, '--state', '/nonexistent'];
      const { stderr, exitCode } = await execa(process.execPath, args, { reject: false });
      assert.equal(exitCode, 3);
      const modules = toldModules(stderr);
      assert.ok(modules.some((url) => url.endsWith(`/commands/${name}.ts`)));
      const heavy = /\/(?:host|services|plugin|zod|execa|pino|smol-toml)\/|\/run-host\.ts$/;
      assert.deepEqual(
        modules.filter((url) => heavy.test(url)),
        [],
      );
    });

  test('check-config loads the plugins, and only the small form of the schema library', async () => {
    await using directory = await temporaryDirectory();
    const config = join(directory.path, 'config.toml');
    await writeFile(config, `version = 1\nscratch_dir = "${directory.path}"\n`);
    const args = [TELL_MODULES, SHIM_VIRTIOFS, 'check-config', '--config', config];
    const { stderr } = await execa(process.execPath, args, { reject: false });
    const modules = toldModules(stderr);
    for (const loaded of ['/plugin/nydus/config.ts', '/plugin/virtiofs/config.ts', '/zod/mini/index.js'])
      assert.ok(
        modules.some((url) => url.endsWith(loaded)),
        loaded,
      );
    assert.deepEqual(
      modules.filter((url) => /\/zod\/(?:index\.js|v4\/classic\/)/.test(url)),
      [],
    );
  });

  const wrong: [args: string[], problem: RegExp, help: string][] = [
    [
      ['nonsense'],
      /^Unknown command "nonsense"; known: serve, ls, inspect, open, close, mount, unmount, mounts, watch, run, check-config$/,
      '--help',
    ],
    [['check-confg'], /^Unknown command "check-confg"; did you mean "check-config"\?$/, '--help'],
    [[], /^Name a command$/, '--help'],
    [['--nonsense'], /^Unknown option '--nonsense'$/, '--help'],
    [['serve', 'more'], /^Unexpected argument 'more'/, 'serve --help'],
    [['serve', '--config'], /^Option '-c, --config <value>' argument missing$/, 'serve --help'],
    [['serve', '--idle-timeout-ms', '0'], /^--idle-timeout-ms takes a positive number$/, 'serve --help'],
    [['serve', '--idle-timeout-ms', 'soon'], /^--idle-timeout-ms takes a positive number$/, 'serve --help'],
    [['serve', '--state', ''], /^Option '--state' is empty$/, 'serve --help'],
    [['open', 'sb'], /^TAG is missing$/, 'open --help'],
    [['close'], /^SANDBOX is missing$/, 'close --help'],
    [['close', 'sb', ''], /^TAG is empty$/, 'close --help'],
    [['close', 'sb', 'a', 'b'], /^Unexpected argument 'b'$/, 'close --help'],
    [
      ['open', 'sb', 'a', '--memory-mib', '1.5'],
      /^--memory-mib takes a positive whole number$/,
      'open --help',
    ],
    [
      ['inspect', 'sb', '--memory-mib', '0'],
      /^--memory-mib takes a positive whole number$/,
      'inspect --help',
    ],
    [['run', '--memory-mib', '4294967296'], /^--memory-mib takes a positive whole number$/, 'run --help'],
    [['check-config', '--announce'], /^Unknown option '--announce'$/, 'check-config --help'],
  ];
  for (const [args, problem, help] of wrong) {
    test(`exits with 2 and points to ${help} for "${args.join(' ')}"`, async () => {
      const { exitCode, stdout, stderr } = await run(...args);
      assert.deepEqual([exitCode, stdout], [2, '']);
      const [first = '', ...rest] = stderr.split('\n');
      assert.match(first.replace('shim-virtiofs: ', ''), problem);
      assert.deepEqual(rest, [`Try "shim-virtiofs ${help}".`]);
    });
  }
});
