import assert from 'node:assert/strict';
import { cp, glob, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pack, type Packed, root, run, source, typeCheck } from './fixtures/packed.ts';

const packed = await pack();
after(() => packed[Symbol.asyncDispose]());

test('the package that npm would publish has JavaScript, types and documents, and no sources', () => {
  for (const path of ['index.js', 'index.d.ts', 'README.md', 'LICENSE', 'package.json'])
    assert.ok(packed.files.includes(path), path);
  assert.deepEqual(
    packed.files.filter((path) => /(?<!\.d)\.ts$/.test(path)),
    [],
  );
});

/** Folders of root's node_modules with @bufbuild/protobuf. */
const ends = [
  ['lowest', 'protobuf-lowest'],
  ['newest', '@bufbuild/protobuf'],
] as const;
for (const [end, folder] of ends) {
  test(`the package installs, type-checks and runs beside the ${end} @bufbuild/protobuf of its range`, async () => {
    const project = join(packed.dir, end);
    await installBeside(packed, { project, protobuf: join(root, 'node_modules', folder) });
    const lock = await readJson<{ packages: object }>(join(project, 'package-lock.json'));
    const installed = ['node_modules/@bufbuild/protobuf', 'node_modules/ttrpc-ts'];
    assert.deepEqual(Object.keys(lock.packages).filter(Boolean).toSorted(), installed);

    for (const file of ['echo_pb.ts', 'echo-server.ts', 'echo-client.ts']) {
      await cp(join(source, 'examples', file), join(project, file));
    }
    await typeCheck(project, 'echo-server.ts', 'echo-client.ts');
    await writeFile(join(project, 'both.ts'), both);
    const socket = join(packed.dir, `${end}.sock`);
    const { stdout } = await run(process.execPath, ['both.ts', socket], { cwd: project });
    assert.match(stdout, /echo: hello\n[^]*fail: NotFound: no such thing\n/);
  });
}

test('the package asks for no other @bufbuild/protobuf than the two ends tested and what is between', async () => {
  const { peerDependencies, dependencies } = await readJson<Manifest>(join(source, 'package.json'));
  const lowest = await readJson<Manifest>(join(root, 'node_modules/protobuf-lowest/package.json'));
  assert.deepEqual(peerDependencies, { '@bufbuild/protobuf': `^${lowest.version}` });
  assert.equal(dependencies, undefined);
});

test('the tests of ttrpc-ts pass with the lowest @bufbuild/protobuf of its range', async () => {
  const files = await Array.fromAsync(
    glob('test/ttrpc-ts/**/*.test.ts', { cwd: root, exclude: ['**/package*.test.ts'] }),
  );
  const hook = fileURLToPath(new URL('fixtures/lowest-protobuf.ts', import.meta.url));
  const env: NodeJS.ProcessEnv = { ...process.env, NODE_OPTIONS: `--import=${hook}` };
  // Or the tests would be taken for part of this one.
  delete env['NODE_TEST_CONTEXT'];
  const args = ['--test', '--test-isolation=none', '--test-reporter=tap', ...files];
  const { stdout } = await run(process.execPath, args, { cwd: root, env, maxBuffer: 64 << 20 });
  assert.match(stdout, /^# pass [1-9]\d*$/m);
  assert.match(stdout, /^# fail 0$/m);
});

interface Manifest {
  readonly version: string;
  readonly dependencies?: object;
  readonly peerDependencies?: object;
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T;
}

/** Makes a project of its own with the package and a protobuf library, both from this machine: no registry is needed. */
async function installBeside(
  { tarball, offline }: Packed,
  { project, protobuf }: { readonly project: string; readonly protobuf: string },
): Promise<void> {
  await mkdir(project);
  await writeFile(join(project, 'package.json'), '{ "type": "module", "private": true }');
  const options = ['--install-links', '--strict-peer-deps', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...options, protobuf, tarball], { cwd: project, env: offline });
}

const both = `
await import('./echo-server.ts');
await import('./echo-client.ts');
process.kill(process.pid, 'SIGTERM');
`;
