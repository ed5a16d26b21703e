import assert from 'node:assert/strict';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { obtain } from '../../setup/obtain.ts';
import { buildNpmPackages } from '../../setup/release/npm-packages.ts';
import { root } from '../../setup/release/root.ts';

// What npm would publish, in a project that has nothing else. Installs dependencies from the registry. Needs root.

/** A program in JavaScript, with a provider of its own in TypeScript. */
const WITH_PROVIDER = `import { openHost } from 'containerd-shim-virtiofs';
const [daemon, state, source] = process.argv.slice(2);
const config = {
  version: 1,
  state,
  scratch_dir: state,
  plugin_dirs: [new URL('providers', import.meta.url).pathname],
  plugins: {
    'io.containerd.fsshare.v1.frozen': { copy_dir: state + '-copies' },
    'io.containerd.fsshare.v1.virtiofs': { virtio_fs_daemon: daemon },
  },
};
await using host = await openHost({ config });
await using share = await host.openShare({ sandboxId: 'sb', tag: 'work', source, sharedFs: 'virtio-fs-frozen' });
await share.ready;
console.log(share.status().state);
`;

test('the npm packages install together, type-check strictly, and run the examples as they are', async () => {
  await using place = await temporaryDirectory();
  const packages = await buildNpmPackages(join(place.path, 'npm'), new AbortController().signal);
  const project = join(place.path, 'project');
  await mkdir(project);
  await writeFile(join(project, 'package.json'), '{ "type": "module", "private": true }');
  const inProject = { cwd: project, all: true } as const;
  await execa('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...packages], inProject);

  await cp(join(root, 'examples/library/open-share.ts'), join(project, 'open-share.ts'));
  const tsconfig = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { typeRoots: [join(root, 'node_modules/@types')], skipLibCheck: false },
    include: ['open-share.ts'],
  };
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(tsconfig));
  await execa(join(root, 'node_modules/.bin/tsc'), ['-p', project], inProject);

  const [source, state] = [join(place.path, 'source'), join(place.path, 'state')];
  await mkdir(source);
  const { path: daemon } = await obtain('virtiofsd');
  const env = {
    PATH: [daemon, process.execPath]
      .map((path) => dirname(path))
      .concat(process.env['PATH'] ?? '')
      .join(':'),
  };
  const opened = await execa(process.execPath, ['open-share.ts', source, state], { ...inProject, env });
  assert.match(opened.stdout, /^socket .*\.sock$/m);

  await cp(join(root, 'examples/provider/frozen'), join(project, 'providers/frozen'), {
    recursive: true,
  });
  await writeFile(join(project, 'provider.js'), WITH_PROVIDER);
  const provided = await execa(process.execPath, ['provider.js', daemon, `${state}2`, source], inProject);
  assert.equal(provided.stdout.split('\n').at(-1), 'waiting');

  const { stdout: version } = await execa('node_modules/.bin/shim-virtiofs', ['--version'], {
    ...inProject,
    env,
  });
  assert.match(version, /^shim-virtiofs \d/);
});
