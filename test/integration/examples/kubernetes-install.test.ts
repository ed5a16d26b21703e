import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, readdir, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { execa } from 'execa';
import { exampleFile } from '../../harness/containerd/examples.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

// examples/kubernetes/install.sh on a directory instead of a node's root, with an nsenter that only notes what it is to do.

const NAME = 'containerd-shim-virtiofs';
const COMMANDS = ['shim-virtiofs', `${NAME}-v1`];
const onNode = (words: string): string => `--target 1 --mount -- systemctl ${words}`;
const STARTS = ['daemon-reload', `enable ${NAME}`, `restart ${NAME}`].map(onNode);

interface Stage extends AsyncDisposable {
  readonly node: string;
  readonly release: string;
  /** Writes a file, such as one of the release or the host's configuration. */
  put(path: string, text: string): Promise<void>;
  /** Runs it, and resolves to what it did on the node. */
  install(): Promise<{ code: number | undefined; stderr: string; calls: string[] }>;
}

async function openStage(): Promise<Stage> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const [node, release, image] = [join(path, 'node'), join(path, 'release'), join(path, 'install')];
  const [bin, calls] = [join(path, 'bin'), join(path, 'calls')];
  const put = async (file: string, text: string): Promise<void> => {
    await mkdir(join(path, file, '..'), { recursive: true });
    await writeFile(join(path, file), text, { mode: 0o755 });
  };
  await put('bin/nsenter', '#!/bin/sh\necho "$@" >>"$CALLS"\n');
  for (const name of COMMANDS) await put(`release/bin/${name}`, 'first');
  await put('config.toml', 'first');
  // What Containerfile copies.
  const [, sources = ''] =
    /^COPY (.+) \/install\/$/m.exec(await readFile(exampleFile('kubernetes/Containerfile'), 'utf8')) ?? [];
  for (const directory of [image, ...['opt', 'etc', 'usr/local/bin'].map((name) => join(node, name))])
    await mkdir(directory, { recursive: true });
  for (const source of sources.split(' '))
    await copyFile(exampleFile(source), join(image, source.split('/').at(-1) ?? ''));
  const own = stack.move();
  return {
    node,
    release,
    put,
    async install() {
      await writeFile(calls, '');
      const { exitCode, stderr } = await execa(join(image, 'install.sh'), {
        reject: false,
        env: {
          PATH: `${bin}:${process.env['PATH']}`,
          CALLS: calls,
          NODE_ROOT: node,
          RELEASE: release,
          CONFIG: join(path, 'config.toml'),
        },
      });
      return { code: exitCode, stderr, calls: (await readFile(calls, 'utf8')).split('\n').slice(0, -1) };
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

test('install.sh puts a release, its configurations and its units on a node, and starts it', async () => {
  await using stage = await openStage();
  const { node } = stage;
  assert.deepEqual(await stage.install(), {
    code: 0,
    stderr: '',
    calls: [...STARTS, onNode('restart containerd')],
  });
  for (const name of COMMANDS) {
    assert.equal(await readlink(join(node, 'usr/local/bin', name)), `/opt/${NAME}/bin/${name}`);
    assert.equal(await readFile(join(node, `opt/${NAME}/bin`, name), 'utf8'), 'first');
  }
  const config = join(node, `etc/${NAME}/config.toml`);
  assert.equal(await readFile(config, 'utf8'), 'first');
  assert.equal((await stat(config)).mode & 0o777, 0o600);
  for (const [from, to] of [
    [`${NAME}.service`, `systemd/system/${NAME}.service`],
    [`${NAME}.socket`, `systemd/system/${NAME}.socket`],
    ['tmpfiles.conf', `tmpfiles.d/${NAME}.conf`],
    ['containerd.toml', 'containerd/conf.d/virtiofs.toml'],
  ] as const) {
    const example = await readFile(exampleFile(`containerd/${from}`), 'utf8');
    assert.equal(await readFile(join(node, 'etc', to), 'utf8'), example);
  }
});

test('install.sh, run again, upgrades and leaves containerd alone', async () => {
  await using stage = await openStage();
  await stage.put('release/lib/former.js', '');
  await stage.install();
  await rm(join(stage.release, 'lib'), { recursive: true });
  await stage.put('release/bin/shim-virtiofs', 'second');
  await stage.put('config.toml', 'second');
  assert.deepEqual(await stage.install(), { code: 0, stderr: '', calls: STARTS });
  const { node } = stage;
  assert.equal(await readFile(join(node, `opt/${NAME}/bin/shim-virtiofs`), 'utf8'), 'second');
  assert.equal(await readFile(join(node, `etc/${NAME}/config.toml`), 'utf8'), 'second');
  assert.deepEqual(await readdir(join(node, 'opt')), [NAME]);
  assert.ok(!existsSync(join(node, `opt/${NAME}/lib`)));
});

test('install.sh changes nothing where its image holds no release', async () => {
  await using stage = await openStage();
  await stage.install();
  const command = join(stage.release, `bin/${NAME}-v1`);
  await rm(command);
  assert.deepEqual(await stage.install(), {
    code: 1,
    stderr: `install.sh: there is no "${command}": build the image from a release for nodes`,
    calls: [],
  });
  assert.equal(await readFile(join(stage.node, `opt/${NAME}/bin/${NAME}-v1`), 'utf8'), 'first');
});
