import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const source = join(root, 'src/ttrpc-ts');

test('the package that npm would publish installs, type-checks and runs in an empty project', async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'ttrpc-ts-package-'));
  stack.defer(() => rm(dir, { recursive: true }));
  const [built, project] = [join(dir, 'package'), join(dir, 'project')];
  await run(process.execPath, [join(source, 'build.ts'), built]);
  const npm = {
    cwd: dir,
    env: { ...process.env, npm_config_cache: join(dir, 'cache'), npm_config_offline: 'true' },
  };
  const { stdout } = await run('npm', ['pack', '--json', built], npm);
  const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  for (const path of ['index.js', 'index.d.ts', 'README.md', 'LICENSE', 'package.json'])
    assert.ok(paths.includes(path), path);
  assert.deepEqual(
    paths.filter((path) => /(?<!\.d)\.ts$/.test(path)),
    [],
  );

  await mkdir(project);
  await writeFile(join(project, 'package.json'), '{ "type": "module", "private": true }');
  // Its only dependency comes from here, so that no registry is needed.
  const dependency = join(root, 'node_modules/@bufbuild/protobuf');
  const install = ['install', '--install-links', '--no-audit', '--no-fund', dependency, join(dir, filename)];
  await run('npm', install, { ...npm, cwd: project });
  const lock = JSON.parse(await readFile(join(project, 'package-lock.json'), 'utf8')) as { packages: object };
  const installed = ['node_modules/@bufbuild/protobuf', 'node_modules/ttrpc-ts'];
  assert.deepEqual(Object.keys(lock.packages).filter(Boolean).toSorted(), installed);

  for (const file of ['echo_pb.ts', 'echo-server.ts', 'echo-client.ts']) {
    await cp(join(source, 'examples', file), join(project, file));
  }
  await run(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), ...compilerOptions, 'echo-server.ts', 'echo-client.ts'],
    {
      cwd: project,
    },
  );
  await writeFile(join(project, 'both.ts'), both);
  const { stdout: printed } = await run(process.execPath, ['both.ts', join(dir, 's.sock')], { cwd: project });
  assert.match(printed, /echo: hello\n[^]*fail: NotFound: no such thing\n/);
});

const compilerOptions = [
  '--noEmit',
  '--ignoreConfig',
  '--strict',
  '--module',
  'nodenext',
  '--target',
  'esnext',
  '--allowImportingTsExtensions',
  '--types',
  'node',
  '--typeRoots',
  join(root, 'node_modules/@types'),
];

const both = `
await import('./echo-server.ts');
await import('./echo-client.ts');
process.kill(process.pid, 'SIGTERM');
`;
