import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { parseConfig, readConfig } from '../../src/config/read.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

describe('parseConfig()', () => {
  test('completes what is left out', () => {
    assert.deepEqual(parseConfig({ version: 1 }), {
      version: 1,
      state: '/run/containerd-shim-virtiofs',
      pluginDirs: [],
      pluginTimeoutMs: 10_000,
      sharedFs: 'virtio-fs',
      scratchDir: '/var/lib/containerd-shim-virtiofs/scratch',
      scratchLimitMib: 10_240,
      daemonOomScoreAdj: 0,
      ttrpc: {},
      containerd: {},
      trace: { serviceName: 'containerd-shim-virtiofs', sampleRatio: 1, timeoutMs: 2000 },
      log: { level: 'info' },
      shares: [],
      plugins: {},
    });
  });

  test("keeps what is given, the host's own keys in camelCase and the plugins' as they are", () => {
    const config = parseConfig({
      version: 1,
      state: '/srv/state',
      plugin_dirs: ['/srv/plugins'],
      plugin_timeout_ms: 500,
      shared_fs: 'frozen',
      scratch_dir: '/srv/scratch',
      scratch_limit_mib: 64,
      daemon_oom_score_adj: -500,
      ttrpc: { address: '/run/x.sock' },
      containerd: { ttrpc_address: '/run/c.sock.ttrpc' },
      trace: { endpoint: 'http://127.0.0.1:4318', service_name: 'x', sample_ratio: 0.5, timeout_ms: 100 },
      log: { level: 'warn' },
      shares: [
        { tag: 'a', source: '/srv/a', shared_fs: 'virtio-fs', read_only: true, cache: 'always' },
        { tag: 'b', read_only: false },
      ],
      plugins: { 'a.b.c': { any_thing: ['thing', 1, { deep_down: true }] } },
    });
    assert.deepEqual(config, {
      version: 1,
      state: '/srv/state',
      pluginDirs: ['/srv/plugins'],
      pluginTimeoutMs: 500,
      sharedFs: 'frozen',
      scratchDir: '/srv/scratch',
      scratchLimitMib: 64,
      daemonOomScoreAdj: -500,
      ttrpc: { address: '/run/x.sock' },
      containerd: { ttrpcAddress: '/run/c.sock.ttrpc' },
      trace: { endpoint: 'http://127.0.0.1:4318', serviceName: 'x', sampleRatio: 0.5, timeoutMs: 100 },
      log: { level: 'warn' },
      shares: [
        { tag: 'a', source: '/srv/a', sharedFs: 'virtio-fs', readOnly: true, cache: 'always' },
        { tag: 'b', readOnly: false },
      ],
      plugins: { 'a.b.c': { any_thing: ['thing', 1, { deep_down: true }] } },
    });
  });

  const mistakes: [what: string, input: unknown, key: string, problem: string | RegExp][] = [
    ['no version', {}, 'version', 'Invalid input: expected 1'],
    ['another version', { version: 2 }, 'version', 'Invalid input: expected 1'],
    ['no table at all', 'text', '', /expected object, received string/],
    ['an unknown key', { version: 1, stat: '/x' }, 'stat', 'unknown key; did you mean "state"?'],
    [
      'an unknown key far from any',
      { version: 1, zzzzzzzz: 1 },
      'zzzzzzzz',
      /^unknown key; known: version, state,/,
    ],
    [
      'an unknown key of a table',
      { version: 1, log: { levl: 'info' } },
      'log.levl',
      'unknown key; did you mean "level"?',
    ],
    [
      'an unknown key of an entry',
      { version: 1, shares: [{ tag: 'a', readonly: true }] },
      'shares.0.readonly',
      'unknown key; did you mean "read_only"?',
    ],
    [
      'a number for a path',
      { version: 1, state: 5 },
      'state',
      'Invalid input: expected string, received number',
    ],
    ['a relative path', { version: 1, state: 'run' }, 'state', 'use an absolute path'],
    [
      'a relative directory in a list',
      { version: 1, plugin_dirs: ['/a', 'b'] },
      'plugin_dirs.1',
      'use an absolute path',
    ],
    [
      'a state directory too deep for sockets',
      { version: 1, state: `/${'x'.repeat(83)}` },
      'state',
      'use a path of at most 83 bytes: those of the sockets in it are limited',
    ],
    [
      'an address too long for a socket',
      { version: 1, ttrpc: { address: `/${'x'.repeat(107)}` } },
      'ttrpc.address',
      'use a path of at most 107 bytes',
    ],
    [
      'one address for both protocols',
      { version: 1, ttrpc: { address: '/run/x.sock' }, grpc: { address: '/run/x.sock' } },
      'grpc.address',
      '"/run/x.sock" is the address of the ttrpc services too: use another one',
    ],
    [
      "a relative path of containerd's socket",
      { version: 1, containerd: { ttrpc_address: 'c.sock' } },
      'containerd.ttrpc_address',
      'use an absolute path, or "" for no events',
    ],
    [
      'a text for a list',
      { version: 1, plugin_dirs: '/a' },
      'plugin_dirs',
      /expected array, received string/,
    ],
    [
      'an unknown level',
      { version: 1, log: { level: 'loud' } },
      'log.level',
      /expected one of "trace"\|"debug"/,
    ],
    ['what is no URL', { version: 1, trace: { endpoint: 'collector:4318' } }, 'trace.endpoint', /./],
    [
      'a ratio above 1',
      { version: 1, trace: { sample_ratio: 2 } },
      'trace.sample_ratio',
      /expected number to be <=1/,
    ],
    [
      'a time that is no whole number',
      { version: 1, trace: { timeout_ms: 1.5 } },
      'trace.timeout_ms',
      /expected int/,
    ],
    ['a share without a tag', { version: 1, shares: [{}] }, 'shares.0.tag', /expected string/],
    [
      'a tag of 37 bytes',
      { version: 1, shares: [{ tag: `é${'x'.repeat(35)}` }] },
      'shares.0.tag',
      'use at most 36 bytes',
    ],
    [
      'a tag twice',
      { version: 1, shares: [{ tag: 'a' }, { tag: 'b' }, { tag: 'a' }] },
      'shares.2.tag',
      '"a" is taken by another share: use a tag of its own',
    ],
    [
      'a table of a plugin that is none',
      { version: 1, plugins: { 'a.b': 5 } },
      'plugins."a.b"',
      /expected record/,
    ],
  ];
  for (const [what, input, key, problem] of mistakes) {
    test(`rejects ${what}, naming file and key`, () => {
      assert.throws(
        () => parseConfig(input, { file: 'test.toml' }),
        (error: Error & { code: unknown; file: unknown; key: unknown }) => {
          const { name, code, message } = error;
          const expected = ['ConfigError', Code.InvalidArgument, 'test.toml', key];
          assert.deepEqual([name, code, error.file, error.key], expected);
          const prefix = `Invalid configuration "test.toml"${key ? `: ${key}` : ''}: `;
          assert.equal(message.startsWith(prefix), true, message);
          const said = message.slice(prefix.length);
          if (typeof problem === 'string') assert.equal(said, problem);
          else assert.match(said, problem);
          return true;
        },
      );
    });
  }
});

describe('parseConfig() with a state directory given', () => {
  test('takes it where the configuration names none, or the same', () => {
    for (const own of [undefined, '/srv/state', '/srv/state/', '/srv/./x/../state']) {
      const input = own === undefined ? { version: 1 } : { version: 1, state: own };
      assert.equal(parseConfig(input, { state: '/srv//state/' }).state, '/srv/state', String(own));
    }
  });

  test('rejects a configuration that names another, naming both and the remedy', () => {
    assert.throws(() => parseConfig({ version: 1, state: '/srv/b/' }, { file: 'x.toml', state: '/srv/a' }), {
      name: 'ConfigError',
      code: Code.InvalidArgument,
      file: 'x.toml',
      key: 'state',
      message:
        'Invalid configuration "x.toml": state: "/srv/b" is not the state directory "/srv/a" that this host is given: ' +
        'remove the key, or give the host "/srv/b" (--state, CONTAINERD_SHIM_VIRTIOFS_STATE)',
    });
  });

  test('rejects the default where the configuration spells it and another is given', () => {
    const input = { version: 1, state: '/run/containerd-shim-virtiofs' };
    assert.throws(() => parseConfig(input, { state: '/srv/a' }), { name: 'ConfigError', key: 'state' });
  });

  for (const [state, problem] of [
    ['', 'use an absolute path'],
    ['state', 'use an absolute path'],
    [`/${'x'.repeat(83)}`, 'use a path of at most 83 bytes: those of the sockets in it are limited'],
  ] as const) {
    test(`rejects "${state.slice(0, 10)}", and not in the name of the file`, () => {
      assert.throws(() => parseConfig({ version: 1 }, { file: 'x.toml', state }), {
        name: 'ConfigError',
        message: `Invalid configuration "(options)": state: ${problem}`,
      });
    });
  }
});

describe('readConfig()', () => {
  test('hands the given state directory on, and names the file that says another', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'config.toml');
    await writeFile(file, `version = 1\nstate = """/srv/it's"""\n`);
    assert.equal(readConfig(file, { state: "/srv/it's" }).state, "/srv/it's");
    assert.throws(() => readConfig(file, { state: '/srv/a' }), { name: 'ConfigError', file, key: 'state' });
  });

  test('reads TOML, plugin tables under their full names', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'config.toml');
    await writeFile(
      file,
      `version = 1
[[shares]]
tag = "a"
[plugins."io.containerd.fsshare.v1.virtiofs"]
virtio_fs_cache = "always"
`,
    );
    const { shares, plugins } = readConfig(file);
    assert.deepEqual(shares, [{ tag: 'a', readOnly: false }]);
    assert.deepEqual(plugins, { 'io.containerd.fsshare.v1.virtiofs': { virtio_fs_cache: 'always' } });
  });

  test('rejects what is not TOML, with line and column', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'config.toml');
    await writeFile(file, 'version = 1\nstate = /run\n');
    assert.throws(() => readConfig(file), {
      name: 'ConfigError',
      file,
      message: /Invalid TOML.*\(line 2, column 9\)$/,
    });
  });

  test('rejects a key twice', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'config.toml');
    await writeFile(file, 'version = 1\nversion = 1\n');
    assert.throws(() => readConfig(file), { name: 'ConfigError', message: /redefine/ });
  });

  test('rejects a missing file and a directory', async () => {
    await using directory = await temporaryDirectory();
    assert.throws(() => readConfig('/nonexistent/config.toml'), {
      name: 'ConfigError',
      code: Code.InvalidArgument,
      message: 'Invalid configuration "/nonexistent/config.toml": there is no such file: create it',
    });
    assert.throws(() => readConfig(directory.path), { name: 'ConfigError', message: /EISDIR/ });
  });

  test('reads the examples', () => {
    for (const name of ['demo', 'provider']) {
      readConfig(new URL(`../../examples/${name}/config.toml`, import.meta.url).pathname);
    }
  });
});
