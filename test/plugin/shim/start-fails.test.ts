import assert from 'node:assert/strict';
import { chmod, copyFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { executable } from '../../harness/fixtures.ts';
import { markedProcesses } from '../../harness/containerd/marked-processes.ts';
import { script, shimPlace, type Execution, type ShimPlace } from './shim-place.ts';

interface Case {
  readonly name: string;
  readonly prepare: (place: ShimPlace) => Promise<Execution>;
  readonly reason: RegExp;
}

const cases: Case[] = [
  {
    name: 'a mistake in the configuration',
    prepare: (place) => writeConfig(place, 'version = 1\nplugin_dir = []\n'),
    reason: /^cannot start the host: Invalid configuration ".*config\.toml": plugin_dir: .*plugin_dirs/,
  },
  {
    name: 'a configuration that is not TOML',
    prepare: (place) => writeConfig(place, 'version =\n'),
    reason: /^cannot start the host: Invalid configuration ".*config\.toml": /,
  },
  {
    name: 'a configuration that is not there',
    prepare: () => Promise.resolve({ env: { CONTAINERD_SHIM_VIRTIOFS_CONFIG: '/nowhere.toml' } }),
    reason:
      /^cannot start the host: Invalid configuration "\/nowhere\.toml": there is no such file: create it$/,
  },
  {
    name: 'a relative state directory',
    prepare: () => Promise.resolve({ env: { CONTAINERD_SHIM_VIRTIOFS_STATE: 'relative/state' } }),
    reason: /^CONTAINERD_SHIM_VIRTIOFS_STATE is "relative\/state": write an absolute path$/,
  },
  {
    name: 'a configuration of another state directory',
    prepare: (place) => writeConfig(place, `version = 1\nstate = "/elsewhere"\n`),
    reason:
      /^cannot start the host: Invalid configuration ".*": state: "\/elsewhere" is not the state directory "\S+\/state" that this host is given: /,
  },
  {
    name: 'a state directory that cannot be made',
    prepare: (place) =>
      Promise.resolve({ env: { CONTAINERD_SHIM_VIRTIOFS_STATE: `${place.configFile}/state` } }),
    reason: /^cannot create the state directory ".*config\.toml\/state"$/,
  },
  {
    name: 'options of Node.js in the environment',
    prepare: () => Promise.resolve({ env: { NODE_OPTIONS: '--inspect=127.0.0.1:0' } }),
    reason:
      /^NODE_OPTIONS is set, and the host runs as root: unset it, or set CONTAINERD_SHIM_VIRTIOFS_ALLOW_NODE_OPTIONS=1$/,
  },
  {
    name: 'a script that was copied out of its package',
    prepare: async ({ path }) => {
      const program = join(path, 'containerd-shim-virtiofs-v1');
      await copyFile(script, program);
      return { program };
    },
    reason: /^"\S+containerd-shim-virtiofs-v1" stands outside its package: link to it instead of copying it$/,
  },
  {
    name: 'no Node.js',
    prepare: async (place) => ({ program: await packageWithoutNode(place), env: await withoutNode(place) }),
    reason:
      /^no Node\.js 24 or newer in CONTAINERD_SHIM_VIRTIOFS_NODE, .* or PATH: there is no Node\.js: install 24 or newer$/,
  },
  {
    name: 'an old Node.js only',
    prepare: async (place) => {
      const env = await withoutNode(place);
      await executable(join(env.PATH, 'node'), '#!/bin/sh\necho v20.20.2\n');
      return { program: await packageWithoutNode(place), env };
    },
    reason:
      /^no Node\.js 24 or newer in .* or PATH: "\/.*\/node" is v20\.20\.2, and this needs .*: install one, first on the PATH$/,
  },
  {
    name: 'a Node.js that this system cannot run',
    prepare: async (place) => {
      const program = await packageWithoutNode(place);
      const node = (await readFile('/bin/true')).toString('latin1').replace('libc.so.6', 'libq.so.9');
      await mkdir(join(program, '../../bin'));
      await executable(join(program, '../../bin/node'), Buffer.from(node, 'latin1'));
      return { program, env: await withoutNode(place) };
    },
    reason:
      /^no Node\.js 24 or newer in .*: "\/.*\/bin\/node" needs libq\.so\.9: install the package that has it/,
  },
  {
    name: 'a Node.js that crashes',
    prepare: async ({ path }) => {
      const node = join(path, 'node');
      const crash = 'echo "Error: out of luck" >&2; echo "Node.js v26.10.0" >&2; exit 1';
      await executable(node, `#!/bin/sh\ncase $1 in --version) echo v26.10.0 ;; *) ${crash} ;; esac\n`);
      return { env: { CONTAINERD_SHIM_VIRTIOFS_NODE: node } };
    },
    reason: /^cannot start the host: Error: out of luck$/,
  },
  {
    name: 'the bundle of a container, which this runtime does not run',
    prepare: async ({ path }) => {
      const cwd = join(path, 'io.containerd.runtime.v2.task/default/sb');
      await mkdir(cwd, { recursive: true });
      return { cwd };
    },
    reason: /^runs sandboxes, not containers: use "ctr sandboxes run", or sandboxer = "shim"/,
  },
];

describe('containerd-shim-virtiofs-v1 start says why it fails, and leaves nothing', () => {
  for (const { name, prepare, reason } of cases) {
    test(name, async () => {
      await using place = await shimPlace();
      const execution = await prepare(place);
      const { code, stdout, stderr } = await place.start('sb', execution);
      assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
      const [, message = stderr] = /^containerd-shim-virtiofs-v1: (.*)\n$/.exec(stderr) ?? [];
      assert.match(message, reason);
      assert.deepEqual(await markedProcesses(place.path), []);
    });
  }

  test('and the next start, with the mistake corrected, works', async () => {
    await using place = await shimPlace();
    const [{ prepare }] = cases as [Case];
    await prepare(place);
    assert.equal((await place.start('sb')).code, 1);
    // The same directory, as a person may write it.
    await writeConfig(place, `version = 1\n  state='''${place.state}/'''`);
    const { code, stderr } = await place.start('sb');
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.equal((await place.hosts()).length, 1);
  });
});

async function writeConfig({ configFile }: ShimPlace, text: string): Promise<Execution> {
  await writeFile(configFile, text);
  return {};
}

/** A package that holds all that the script looks for but Node.js. */
async function packageWithoutNode({ path }: ShimPlace): Promise<string> {
  const home = join(path, 'package');
  await mkdir(join(home, 'plugin'), { recursive: true });
  await symlink(join(dirname(script), '../src'), join(home, 'src'));
  const program = join(home, 'plugin/containerd-shim-virtiofs-v1');
  await copyFile(script, program);
  await chmod(program, 0o755);
  return program;
}

/** A PATH with everything that the script uses but Node.js. */
async function withoutNode({
  path,
}: ShimPlace): Promise<{ PATH: string; CONTAINERD_SHIM_VIRTIOFS_NODE: string }> {
  const PATH = join(path, 'bin');
  await rm(PATH, { recursive: true, force: true });
  await mkdir(PATH);
  for (const name of [
    'sh',
    'cat',
    'flock',
    'grep',
    'ls',
    'mkdir',
    'mkfifo',
    'readlink',
    'rm',
    'sed',
    'setsid',
    'tail',
    'true',
    'wc',
  ])
    // oxlint-disable-next-line no-await-in-loop -- few
    await symlink(join('/usr/bin', name), join(PATH, name));
  return { PATH, CONTAINERD_SHIM_VIRTIOFS_NODE: '' };
}
