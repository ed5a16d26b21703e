import assert from 'node:assert/strict';
import {
  chmod,
  copyFile,
  cp,
  mkdir,
  mkdtempDisposable,
  readdir,
  readFile,
  rm,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { execa } from 'execa';
import { rolldown } from 'rolldown';
import { controllerHost } from '../../harness/containerd/controller-host.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { createSandbox, removeSandbox } from '../../harness/containerd/sandboxes.ts';
import { specOf, startShimContainerd } from '../../harness/containerd/shim-containerd.ts';
import { eventually } from '../../harness/eventually.ts';
import { executable } from '../../harness/fixtures.ts';
import { leftovers } from '../../harness/leftovers.ts';
import { installNpmPackages } from '../../harness/npm-project.ts';
import { startSurvivor } from '../../harness/survivor.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { obtain, obtainOrSkip } from '../../setup/obtain.ts';
import { root } from '../../setup/release/root.ts';
import { packageVersion } from '../../../src/package.ts';

// What npm would publish, in a project that has nothing else. Installs dependencies from the registry. Needs root.

/** A program in JavaScript, with providers of its own in TypeScript. */
const WITH_PROVIDER = `import { openHost } from 'containerd-shim-virtiofs';
const [sharedFs, daemon, state, source] = process.argv.slice(2);
const config = {
  version: 1,
  state,
  scratch_dir: state,
  plugin_dirs: [new URL('provider', import.meta.url).pathname],
  plugins: {
    'io.containerd.fsshare.v1.frozen': { copy_dir: state + '-copies' },
    'io.containerd.fsshare.v1.unprivileged': { daemon },
    'io.containerd.fsshare.v1.virtiofs': { virtio_fs_daemon: daemon },
  },
};
await using host = await openHost({ config });
await using share = await host.openShare({ sandboxId: 'sb', tag: 'work', source, sharedFs });
await share.ready;
console.log(share.status().state);
`;

const project = await installNpmPackages();
for (const example of ['library', 'provider'])
  await cp(join(root, 'examples', example), join(project.path, example), { recursive: true });
await writeFile(join(project.path, 'provider.js'), WITH_PROVIDER);

const { path: daemon } = await obtain('virtiofsd');
const rust = await obtainOrSkip('virtiofsd-rust');
const bin = join(project.path, 'node_modules/.bin');
const command = join(bin, 'shim-virtiofs');
const version = packageVersion();
const nodes = await Promise.all(
  [await obtain('node-24'), process.execPath].map(async (node) => ({
    node,
    nodeVersion: (await execa(node, ['--version'])).stdout,
  })),
);

// From here on nothing waits between tests: it would let the runner take those before for all.
after(() => project[Symbol.asyncDispose]());

test('the npm packages hold JavaScript with its types and sources, documents, plugins, commands, and nothing else', async () => {
  for (const file of project.packages) {
    // oxlint-disable-next-line no-await-in-loop -- two
    const { stdout } = await execa('tar', ['-tzf', file]);
    const paths = stdout.split('\n').map((path) => path.slice('package/'.length));
    const modules = paths.filter((path) => path.endsWith('.js')).map((path) => path.slice(0, -3));
    assert.ok(modules.length > 50, `${modules.length} modules`);
    const expected = modules.flatMap((stem) => [`${stem}.js`, `${stem}.js.map`, `${stem}.d.ts`]);
    const others = ['LICENSE', 'README.md', 'package.json'];
    const ofLibrary = [
      'CHANGELOG.md',
      'bin/shim-virtiofs',
      'plugin/containerd-shim-virtiofs-v1',
      'plugin/nydus/plugin.toml',
      'plugin/virtiofs/plugin.toml',
      'src/cli/node-problem.sh',
    ];
    const all = [...expected, ...others, ...(file.includes('ttrpc-ts') ? [] : ofLibrary)];
    assert.deepEqual(paths.toSorted(), all.toSorted());
    assert.equal(file.endsWith(`-${version}.tgz`), true, file);
  }
});

for (const { node, nodeVersion } of nodes) {
  const PATH = [node, daemon]
    .map((path) => dirname(path))
    .concat(process.env['PATH'] ?? '')
    .join(':');
  const inProject = { cwd: project.path, env: { PATH } } as const;

  describe(`the npm packages on Node.js ${nodeVersion}`, () => {
    test('run examples/library/open-share.ts as it is', async () => {
      await using place = await placeForShares();
      const { stdout } = await execa(node, ['library/open-share.ts', place.source, place.state], inProject);
      assert.match(stdout, /^socket .*\.sock\ntag {4}work\nqemu {3}-/m);
      assert.deepEqual(await leftovers(place.state), []);
    });

    test('run examples/library/survive.ts as it is', async () => {
      await using place = await placeForShares();
      const args = [join(project.path, 'library/survive.ts'), place.source, place.state];
      await using first = await startSurvivor(args, { node, PATH });
      const [how, pid, socket] = first.said;
      assert.equal(how, 'opened', first.said.join());
      await first.kill();
      await using second = await startSurvivor(args, { node, PATH });
      assert.deepEqual(second.said, ['adopted', pid, socket]);
      assert.equal(await second.close(), 0);
      assert.deepEqual(await leftovers(place.state), []);
    });

    test('run examples/provider/frozen as it is, for a program in JavaScript', async () => {
      await using place = await placeForShares();
      const args = ['provider.js', 'virtio-fs-frozen', daemon, place.state, place.source];
      const { stdout } = await execa(node, args, inProject);
      assert.equal(stdout.split('\n').at(-1), 'waiting');
      assert.deepEqual(await readdir(`${place.state}-copies`), []);
      assert.deepEqual(await leftovers(place.state), []);
    });

    test('run examples/provider/unprivileged as it is', { skip: rust.skip }, async () => {
      await using place = await placeForShares();
      // Where the daemon was built, its user may not look.
      const program = join(place.path, 'virtiofsd');
      await copyFile(rust.part ?? '', program);
      const args = ['provider.js', 'virtio-fs-unprivileged', program, place.state, place.source];
      const { stdout } = await execa(node, args, inProject);
      assert.equal(stdout.split('\n').at(-1), 'waiting');
      assert.deepEqual(await leftovers(place.state), []);
    });

    test('have commands that know their version, check a configuration, and serve', async () => {
      await using place = await placeForShares();
      const run = async (...args: string[]): Promise<string> =>
        (await execa(command, args, { env: { PATH } })).stdout;
      assert.equal(await run('--version'), `shim-virtiofs ${version}`);
      const configFile = join(place.path, 'config.toml');
      await writeFile(configFile, `version = 1\nscratch_dir = "${place.state}"\n`);
      const checked = await run('check-config', '--config', configFile);
      assert.match(checked, /virtio-fs-nydus.*virtio-fs /);
      const { state } = place;
      await using host = controllerHost(
        { dir: place.path, configFile, state },
        { command: [command], env: { PATH } },
      );
      await host.start();
      const opened = await run('open', '--state', state, 'sb', 'work', place.source);
      assert.match(opened, /-chardev/);
      assert.match(await run('ls', '--state', state), /^default +sb +work +waiting /m);
      process.kill(host.pid, 'SIGUSR1');
      const log = join(place.path, 'host.out');
      await eventually('it writes a diagnosis', async () =>
        (await readFile(log, 'utf8')).includes('"Diagnosis"'),
      );
      await run('close', '--state', state, 'sb');
      assert.deepEqual(await leftovers(state), []);
    });

    test('serve containerd as its shim', async () => {
      await using containerd = await startShimContainerd({
        version: '2.4.2',
        shimDirectory: bin,
        env: { CONTAINERD_SHIM_VIRTIOFS_NODE: node },
      });
      using grpc = connectGrpc(containerd.address);
      const spec = specOf({ work: await containerd.source('work') });
      await createSandbox(grpc, { id: 'sb', spec, sandboxer: 'shim' });
      assert.equal((await containerd.records())[0]?.owner, 'shim');
      await removeSandbox(grpc, 'sb');
      assert.deepEqual(await containerd.leftovers(), []);
    });
  });
}

for (const external of [false, true]) {
  test(`a bundled program ${external ? 'runs where the package is left out' : 'says that the package is to be left out'}`, async () => {
    await using place = await placeForShares();
    const output = join(project.path, 'bundled');
    await using build = await rolldown({
      input: join(project.path, 'provider.js'),
      platform: 'node',
      external: external ? ['containerd-shim-virtiofs'] : [],
      onLog: () => {},
    });
    await build.write({ dir: output });
    await cp(join(project.path, 'provider'), join(output, 'provider'), { recursive: true });
    const args = [join(output, 'provider.js'), 'virtio-fs', daemon, place.state, place.source];
    const { exitCode, stdout, stderr } = await execa(process.execPath, args, { reject: false });
    await rm(output, { recursive: true });
    if (external) assert.match(stdout, /^waiting$/m);
    else
      assert.match(
        stderr,
        /^Error: "\/.*" is not in the package containerd-shim-virtiofs: have the bundler leave/m,
      );
    assert.equal(exitCode, external ? 0 : 1);
    assert.deepEqual(await leftovers(place.state), []);
  });
}

test('the command says what it lacks where Node.js is too old', async () => {
  await using directory = await temporaryDirectory();
  const node = await executable(join(directory.path, 'node'), '#!/bin/sh\necho v20.20.2\n');
  const env = { PATH: `${directory.path}:/usr/bin:/bin` };
  const { exitCode, stdout, stderr } = await execa(command, ['--version'], { env, reject: false });
  assert.deepEqual([exitCode, stdout], [1, '']);
  const problem = `"${node}" is v20.20.2, and this needs Node.js 24 or newer: install one, first on the PATH`;
  assert.equal(stderr, `shim-virtiofs: no Node.js that can run this: ${problem}`);
});

/** What a share needs; apart from the state all in a directory that any user can enter. */
interface PlaceForShares extends AsyncDisposable {
  readonly path: string;
  readonly source: string;
  readonly state: string;
}

async function placeForShares(): Promise<PlaceForShares> {
  await using stack = new AsyncDisposableStack();
  const own = stack.use(await temporaryDirectory());
  const { path } = stack.use(await mkdtempDisposable('/var/tmp/csv-'));
  await chmod(path, 0o755);
  const source = join(path, 'source');
  await mkdir(source);
  const owned = stack.move();
  return {
    path,
    source,
    state: join(own.path, 'state'),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
