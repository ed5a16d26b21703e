import assert from 'node:assert/strict';
import { copyFile, glob, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

// run.mjs in a project of its own: no dependencies, and a main.ts that shows what it was given.

const npmStub = `#!/bin/sh
echo "npm $*" >>"$PROJECT/calls"
[ -z "$NPM_FAILS" ] || { echo "npm error code EAI_AGAIN" >&2; exit 1; }
[ "$1" != view ] || exit 0
[ "$1" != ci ] || [ -z "$NPM_LACKS" ] || { echo "npm error Missing: @x/darwin@$(echo $NPM_LACKS) from lock file"; exit 1; }
mkdir -p node_modules && echo '{"packages":{"node_modules/x":{"version":"1.0.0"}}}' >node_modules/.package-lock.json
`;

describe('run.mjs', () => {
  test('installs the dependencies once and passes arguments and exit code on', async () => {
    await using project = await createProject(
      `console.log(process.argv.slice(2).join()); process.exitCode = 7;`,
    );
    const first = await project.run(['demo', '--fast']);
    assert.deepEqual([first.exitCode, first.stdout], [7, 'demo,--fast']);
    assert.equal(first.stderr, 'Installing the npm dependencies (once)');
    const second = await project.run(['demo']);
    assert.deepEqual([second.exitCode, second.stdout, second.stderr], [7, 'demo', '']);
  });

  test("keeps npm's words and says what to do where there is no network", async () => {
    await using project = await createProject('');
    const { exitCode, stderr } = await project.run(['demo'], { NPM_FAILS: '1' });
    assert.equal(exitCode, 1);
    assert.match(
      stderr,
      /^"npm view .*" failed \(1\):\nnpm error code EAI_AGAIN\nThe npm registry cannot be reached/m,
    );
  });

  test('accepts a lock file without packages that the registry lacks, but no outdated one', async () => {
    await using project = await createProject('');
    const outdated = await project.run(['demo'], { NPM_LACKS: '1.0.0' });
    assert.match(outdated.stderr, /Missing: @x\/darwin@1\.0\.0 from lock file/);
    const { exitCode, stderr } = await project.run(['demo'], { NPM_LACKS: ' ' });
    assert.deepEqual([exitCode, stderr], [0, 'Installing the npm dependencies (once)']);
  });

  test('passes a signal on once, waits for the clean-up and reports it as a shell would', async () => {
    await using project = await createProject(`
      const stay = setInterval(() => {}, 60_000);
      process.on('SIGINT', () => console.log('interrupted'));
      process.on('SIGTERM', () => {
        console.log('cleaned up');
        process.exitCode = 130;
        clearInterval(stay);
        process.disconnect();
      });
      console.log('ready');`);
    // For it no time passes between the signals of one Ctrl-C, and much before the one after them.
    const clock = `let now = 0; performance.now = () => now; process.on('SIGTERM', () => (now = 60_000));`;
    const NODE_OPTIONS = `--import="data:text/javascript,${encodeURIComponent(clock)}"`;
    const run = project.run(['demo'], { NODE_OPTIONS });
    for await (const line of run) {
      if (line === 'ready') run.kill('SIGINT');
      if (line !== 'interrupted') continue;
      run.kill('SIGINT');
      run.kill('SIGTERM');
    }
    const { exitCode, stdout } = await run;
    assert.deepEqual([exitCode, stdout], [130, 'ready\ninterrupted\ncleaned up']);
  });
});

async function createProject(main: string) {
  const directory = await temporaryDirectory();
  const home = directory.path;
  const setup = join(home, 'test/setup');
  await mkdir(setup, { recursive: true });
  for await (const file of glob(fileURLToPath(new URL('*.mjs', import.meta.url)))) {
    await copyFile(file, join(setup, basename(file)));
  }
  await writeFile(join(setup, 'main.ts'), main);
  await writeFile(join(home, 'package-lock.json'), '{"packages":{"node_modules/x":{"version":"1.0.0"}}}');
  await writeFile(join(home, 'npm'), npmStub, { mode: 0o755 });
  return {
    run(args: readonly string[], more: Readonly<Record<string, string>> = {}) {
      const path = `${home}:${process.env['PATH']}`;
      const env: NodeJS.ProcessEnv = { PATH: path, PROJECT: home, XDG_CACHE_HOME: home, ...more };
      return execa(process.execPath, [join(setup, 'run.mjs'), ...args], { reject: false, env });
    },
    [Symbol.asyncDispose]: () => directory.remove(),
  };
}
