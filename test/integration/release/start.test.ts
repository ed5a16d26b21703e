import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { connect, createClient } from 'ttrpc-ts';
import { Shares } from '../../../src/proto/share/shares_pb.ts';
import { openOtlpCollector } from '../../harness/otlp-collector.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { makeNodeTree } from '../../setup/release/node-tree.ts';

// What a host of the release loads until it has announced itself: that is most of its start, and of its memory.

const tree = await temporaryDirectory();
await makeNodeTree(tree.path, { version: '9.8.7', nodeBinary: process.execPath });

/** What only that code has in it, minified too. */
const MARKS = {
  'the client of gRPC': 'ConnectError',
  'the SDK of OpenTelemetry': 'OTEL_BSP_',
  execa: 'ExecaError',
  'the languages of zod': 'Entrada inv',
};
/** Modules of Node.js that load much themselves. */
const LARGE = /^NativeModule (http|https|http2|tls|internal\/(?:crypto\/webcrypto|deps\/undici\/undici))$/;
/** Has a program write at its end which files it has loaded, and which modules of Node.js, into a file. */
const TELL_LOADED = `--import=data:text/javascript,${encodeURIComponent(`
  import { writeFileSync } from 'node:fs';
  import { registerHooks } from 'node:module';
  const urls = [];
  registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) });
  process.on('exit', () => writeFileSync(process.env.TOLD, JSON.stringify([urls, process.moduleLoadList])));
`)}`;

interface Loaded {
  /** The files' texts. */
  readonly texts: readonly string[];
  /** Of {@link MARKS}, those that are in them. */
  readonly marked: readonly string[];
  /** Of {@link LARGE}. */
  readonly builtins: readonly string[];
}

/** Runs a host with these lines in its configuration until it has announced itself and the action is done. */
async function startAndEnd(
  lines: string,
  action: (address: string) => Promise<unknown> = async () => {},
): Promise<Loaded> {
  await using place = await temporaryDirectory();
  const config = join(place.path, 'config.toml');
  await writeFile(
    config,
    `version = 1\nstate = "${place.path}/state"\nscratch_dir = "${place.path}/state"\n${lines}`,
  );
  const told = join(place.path, 'told.json');
  const host = execa(join(tree.path, 'usr/bin/shim-virtiofs'), ['serve', '--announce', '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: { CONTAINERD_SHIM_VIRTIOFS_ALLOW_NODE_OPTIONS: '1', NODE_OPTIONS: TELL_LOADED, TOLD: told },
  });
  await Promise.race([once(host.stdio[3], 'data'), host]);
  await action(join(place.path, 'state/host.sock'));
  host.kill();
  await host;
  const [urls, modules] = JSON.parse(await readFile(told, 'utf8')) as [string[], string[]];
  const files = urls.filter((url) => url.startsWith('file:')).map((url) => fileURLToPath(url));
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  const marked = Object.entries(MARKS).filter(([, mark]) => texts.some((text) => text.includes(mark)));
  return {
    texts,
    marked: marked.map(([what]) => what),
    builtins: modules.filter((name) => LARGE.test(name)),
  };
}

describe("the release's host", () => {
  test('loads nothing that it does not need until it has announced itself, from few files', async () => {
    const { texts, marked, builtins } = await startAndEnd('');
    assert.deepEqual({ marked, builtins }, { marked: [], builtins: [] });
    assert.ok(texts.length > 3 && texts.length <= 12, `${texts.length} files`);
    // One character beyond Latin-1 doubles what a file takes.
    assert.ok(texts.every((text) => /^\p{ASCII}*$/u.test(text)));
  });

  test('loads what its configuration asks for', async () => {
    await using collector = await openOtlpCollector();
    const traced = await startAndEnd(`[trace]\nendpoint = "${collector.endpoint}"\n`, async (path) => {
      await using transport = await connect({ path });
      await createClient(Shares, transport).list({});
    });
    assert.deepEqual(traced.marked, ['the SDK of OpenTelemetry']);
    assert.ok(collector.received.some(({ body }) => body.includes(`${Shares.typeName}/List`)));
    const served = await startAndEnd('[grpc]\n');
    assert.deepEqual(served.marked, ['the client of gRPC']);
    assert.ok(served.builtins.includes('NativeModule http2'));
    assert.ok(!served.builtins.includes('NativeModule internal/deps/undici/undici'));
  });

  test('keeps what Node.js has compiled where a package has made a directory for it, and nowhere else', async () => {
    await using place = await temporaryDirectory();
    const config = join(place.path, 'config.toml');
    await writeFile(config, `version = 1\nscratch_dir = "${place.path}/scratch"\n`);
    const command = [join(tree.path, 'usr/bin/shim-virtiofs'), 'check-config', '--config', config];
    const filesBehind = async (make: string): Promise<string[]> => {
      const script = `mount -t tmpfs none /var/cache; ${make}; umask 0; "$@" >&2; find /var/cache -type f`;
      const isolated = ['--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh', ...command];
      const { stdout } = await execa('unshare', isolated, { env: { NODE_DISABLE_COMPILE_CACHE: undefined } });
      return stdout.split('\n').filter((line) => line !== '');
    };
    const directory = '/var/cache/containerd-shim-virtiofs';
    assert.deepEqual(await filesBehind(':'), []);
    assert.deepEqual(await filesBehind(`mkdir -m 775 ${directory}`), []);
    const files = await filesBehind(`mkdir -m 755 ${directory}`);
    assert.ok(files.length > 3 && files.every((file) => file.startsWith(`${directory}/`)), files.join());
  });

  test('serves where it may not open as many files as it would keep, and says so', async () => {
    await using place = await temporaryDirectory();
    const config = join(place.path, 'config.toml');
    await writeFile(config, `version = 1\nscratch_dir = "${place.path}/scratch"\nscratch_limit_mib = 0\n`);
    const state = join(place.path, 'state');
    const serve = [join(tree.path, 'usr/bin/shim-virtiofs'), 'serve', '--config', config, '--state', state];
    const host = execa('prlimit', ['--nofile=60:60', ...serve, '--announce'], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      all: true,
      reject: false,
    });
    using _ = { [Symbol.dispose]: () => void host.kill('SIGKILL') };
    await Promise.race([once(host.stdio[3], 'data'), host]);
    await using transport = await connect({ path: join(state, 'host.sock') });
    assert.deepEqual((await createClient(Shares, transport).list({})).shares, []);
    host.kill('SIGTERM');
    const { exitCode, all } = await host;
    assert.equal(exitCode, 0, all);
    assert.match(
      all,
      /"err":"EMFILE: .*"msg":"Cannot keep this program's files open: restart this host after/,
    );
  });

  test.after(() => tree[Symbol.asyncDispose]());
});
