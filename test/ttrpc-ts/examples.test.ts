import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeSocketDir } from './fixtures/socket-dir.ts';

const run = promisify(execFile);
const packageFile = (name: string): string =>
  fileURLToPath(new URL(`../../src/ttrpc-ts/${name}`, import.meta.url));

test('the echo examples run as written, and the server ends on SIGTERM', async () => {
  await using dir = await makeSocketDir();
  const server = spawn(process.execPath, [packageFile('examples/echo-server.ts'), dir.socket()]);
  const exited = once(server, 'exit');
  await once(server.stdout, 'data');
  const { stdout } = await run(process.execPath, [packageFile('examples/echo-client.ts'), dir.socket()]);
  server.kill('SIGTERM');
  const lines = [
    'echo: hello',
    'repeat: again',
    'repeat: again',
    'join: good morning',
    'chat: good',
    'chat: morning',
  ];
  assert.equal(stdout, [...lines, 'fail: NotFound: no such thing', ''].join('\n'));
  assert.deepEqual(await exited, [0, null]);
});

for (const file of ['examples/echo.proto', 'examples/echo-server.ts', 'examples/echo-client.ts']) {
  test(`the README shows ${file} in full`, async () => {
    const [readme, example] = await Promise.all([
      readFile(packageFile('README.md'), 'utf8'),
      readFile(packageFile(file), 'utf8'),
    ]);
    assert.ok(readme.includes(example));
  });
}

test('the tests that the README names exist', async () => {
  const readme = await readFile(packageFile('README.md'), 'utf8');
  const files = [...new Set(readme.match(/test\/[\w/-]+\.test\.ts/g))];
  assert.ok(files.length > 5);
  for (const file of files) await readFile(fileURLToPath(new URL(`../../${file}`, import.meta.url)));
});
