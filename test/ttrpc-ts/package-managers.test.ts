import assert from 'node:assert/strict';
import { spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { obtain } from '../setup/obtain.ts';
import { pack, run, source, typeCheck } from './fixtures/packed.ts';

const readme = await readFile(join(source, 'README.md'), 'utf8');
const { env } = await obtain('package-managers');
const packed = await pack();
after(() => packed[Symbol.asyncDispose]());

for (const manager of ['npm', 'pnpm', 'yarn'] as const) {
  test(`the README's commands for ${manager} install, generate the code and run`, async () => {
    const project = await makeProject(manager);
    const printed = await followCommands(commandsFor(manager), project);
    assert.match(printed, /echo: hello\n[^]*fail: NotFound: no such thing\n/);
    // yarn leaves packages in archives, which only programs that it starts can read.
    if (manager !== 'yarn') await typeCheck(project, 'echo-server.ts', 'echo-client.ts');
  });
}

/** Returns the lines of the README that install with a package manager. */
function commandsFor(manager: string): string[] {
  const blocks = [...readme.matchAll(/```sh\n([^]*?)```/g)].map(([, block = '']) => block);
  const block = blocks.find((each) => each.includes(`\n${manager} `));
  assert.ok(block, `no commands for ${manager}`);
  return block.trim().split('\n');
}

/** Makes a folder with the four files that the README shows. */
async function makeProject(name: string): Promise<string> {
  const project = join(packed.dir, name);
  await mkdir(project);
  for (const file of ['echo.proto', 'echo-server.ts', 'echo-client.ts'])
    await cp(join(source, 'examples', file), join(project, file));
  const [, template = ''] = /`buf\.gen\.yaml`:\n\n```yaml\n([^]*?)```/.exec(readme) ?? [];
  await writeFile(join(project, 'buf.gen.yaml'), template);
  return project;
}

/** Runs commands one after the other, as a person would, and resolves to what they print. */
async function followCommands(commands: readonly string[], project: string): Promise<string> {
  await using stack = new AsyncDisposableStack();
  const options = { cwd: project, env: { ...process.env, ...env } };
  let printed = '';
  for (const command of commands) {
    const line = command
      .replace(/ ttrpc-ts(?= |$)/, ` ttrpc-ts@file:${packed.tarball}`)
      .replace('/tmp/echo.sock', `${project}.sock`);
    if (line.endsWith(' &')) stack.use(await startInBackground(line.slice(0, -2), options));
    else printed += (await run('bash', ['-c', line], options)).stdout;
  }
  return printed;
}

/** Starts a command and waits for its first line. */
async function startInBackground(line: string, options: SpawnOptions): Promise<AsyncDisposable> {
  const child = spawn('bash', ['-c', line], {
    ...options,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const closed = once(child, 'close');
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, 'line'), closed]);
  assert.match(String(first[0]), /^listening on/);
  return {
    async [Symbol.asyncDispose]() {
      process.kill(-child.pid!, 'SIGTERM');
      await closed;
    },
  };
}
