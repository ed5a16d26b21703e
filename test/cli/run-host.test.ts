import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { open, readdir, readFile, readlink, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { Code, connect, createClient } from 'ttrpc-ts';
import { openHost } from '../../src/host/host.ts';
import { lockFile } from '../../src/proc/flock.ts';
import { Sandbox } from '../../src/proto/containerd/sandbox_pb.ts';
import { captureLog, type LogLine } from '../harness/captured-log.ts';
import { eventually } from '../harness/eventually.ts';
import { SHIM_VIRTIOFS } from '../harness/shim-virtiofs.ts';
import { smallFileSystem } from '../harness/small-file-system.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { PROVIDER, writePlugin } from '../harness/test-plugin.ts';

/** A host in a process of its own, as a shim's `start` starts it. */
interface AnnouncedHost extends AsyncDisposable {
  readonly state: string;
  readonly config: string;
  readonly pid: number;
  /** All that it announced. */
  readonly announced: Promise<string>;
  /** All of its standard output. */
  readonly output: Promise<string>;
  /** All that comes through a descriptor that it was started with. */
  readonly stray: Promise<string>;
  readonly log: Promise<string>;
  isAlive(): boolean;
  end(signal: NodeJS.Signals): Promise<unknown>;
  /** Resolves to its exit code. */
  readonly ended: Promise<unknown>;
}

/** With a plugin that prints as soon as it is loaded. */
async function startHost(...args: string[]): Promise<AnnouncedHost> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const [state, config] = [join(path, 'state'), join(path, 'config.toml')];
  await writePlugin(path, { id: 'chatty', code: `console.log('chatty');\n${PROVIDER}` });
  await writeFile(config, `version = 1\nscratch_dir = "${state}"\nplugin_dirs = ["${path}"]\n`);
  const command = ['--no-warnings', SHIM_VIRTIOFS, 'serve', '--announce', '-c', config, '--state', state];
  const child = spawn(process.execPath, [...command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit').then(([code]: unknown[]) => code);
  stack.defer(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const [, out, err, announced, stray] = child.stdio as unknown as [
    null,
    Readable,
    Readable,
    Readable,
    Readable,
  ];
  const own = stack.move();
  return {
    state,
    config,
    pid: child.pid ?? 0,
    announced: text(announced),
    output: text(out),
    stray: text(stray),
    log: text(err),
    isAlive: () => child.exitCode === null && child.signalCode === null,
    end(signal) {
      child.kill(signal);
      return ended;
    },
    ended,
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

describe('runHost()', () => {
  test('announces its address and nothing that a plugin prints, lets go of strays, and serves on', async () => {
    await using host = await startHost();
    const address = join(host.state, 'host.sock');
    assert.deepEqual([await host.announced, await host.stray], [`${address}\n`, '']);
    assert.equal(host.isAlive(), true);
    await using transport = await connect({ path: address });
    const { platform } = await createClient(Sandbox, transport).platform({ sandboxId: 'a' });
    assert.equal(platform?.os, 'linux');
    await transport.close();
    assert.equal(await host.end('SIGTERM'), 0);
    assert.equal(await host.output, 'chatty\n');
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`ends with 0 at ${signal} and says so, with its socket removed and its lock free`, async () => {
      await using host = await startHost();
      await host.announced;
      assert.equal(await host.end(signal), 0);
      assert.match(
        await host.log,
        new RegExp(`"reason":"${signal}","sandboxes":0,.*"msg":"Ending; shares stay"`),
      );
      assert.equal(existsSync(join(host.state, 'host.sock')), false);
      await using _ = await openHost({ config: { version: 1 }, state: host.state, log: captureLog().log });
    });
  }

  test('ends with 0 when it is idle, and gives up the lock on starts', async () => {
    await using host = await startHost('--idle-timeout-ms', '1');
    await host.announced;
    assert.equal(await host.ended, 0);
    assert.match(await host.log, /"reason":"idle","sandboxes":0,/);
    assert.equal(existsSync(join(host.state, 'host.address')), false);
    await using _ = await lockFile(join(host.state, 'start.lock'));
  });
});

describe('a host whose log is on a full file system', () => {
  test('answers calls that it logs, tells what it could not log when it can, and ends in order', async () => {
    await using small = await smallFileSystem(8 << 20);
    await using host = await serveToFiles(() => Promise.resolve({ path: small.path, ...NOT_OURS }));
    small.fill();
    await using transport = await connect({ path: join(host.path, 'state/host.sock') });
    const client = createClient(Sandbox, transport);
    // More than the reserve and what waits in memory take.
    const sandboxId = 'x'.repeat(3000);
    for (let call = 0; call < 700; call++)
      await assert.rejects(client.sandboxStatus({ sandboxId }), { code: Code.InvalidArgument });
    small.free();
    await eventually('it tells what it lost', async () =>
      (await host.lines()).some(({ lost }) => typeof lost === 'number' && lost > 0),
    );
    const [loss] = (await host.lines()).filter(({ lost }) => lost !== undefined);
    const logged = (await host.lines()).filter(({ level }) => level === 'error').length;
    assert.equal(logged + Number(loss?.['lost']), 700);
    small.fill();
    await assert.rejects(client.sandboxStatus({ sandboxId }));
    // Disposal ends it by SIGTERM, with status 0.
  });
});

const NOT_OURS: AsyncDisposable = { [Symbol.asyncDispose]: () => Promise.resolve() };

/** A host by hand, whose standard output and error go to files, as those that a shim starts. */
async function serveToFiles(
  place: () => Promise<{ path: string } & AsyncDisposable> = temporaryDirectory,
): Promise<{ path: string; config: string; pid: number; lines: () => Promise<LogLine[]> } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await place());
  const config = join(path, 'config.toml');
  await writeFile(config, `version = 1\nscratch_dir = "${path}/scratch"\n[log]\nlevel = "error"\n`);
  await using file = await open(join(path, 'log'), 'a');
  const command = ['--no-warnings', SHIM_VIRTIOFS, 'serve', '-c', config, '--state', join(path, 'state')];
  const child = spawn(process.execPath, command, { stdio: ['ignore', file.fd, file.fd] });
  const ended = once(child, 'exit');
  stack.defer(async () => {
    child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null]);
    assert.equal(existsSync(join(path, 'log.reserve')), false);
  });
  await eventually('the host serves', () => existsSync(join(path, 'state/host.address')));
  const own = stack.move();
  return {
    path,
    config,
    pid: child.pid ?? 0,
    lines: async () =>
      (await readFile(join(path, 'log'), 'utf8'))
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as LogLine),
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

describe('heedSignals()', () => {
  test('has SIGHUP go on in a new log with all its descriptors, at the level that the file has now', async () => {
    await using host = await serveToFiles();
    const logged = async (message: string): Promise<boolean> =>
      (await host.lines()).some(({ msg }) => msg === message);
    assert.equal(await logged('Serving ttrpc'), false);
    await rename(join(host.path, 'log'), join(host.path, 'log.1'));
    await writeFile(host.config, 'version = 1\n[log]\nlevel = "warn"\n');
    process.kill(host.pid, 'SIGHUP');
    await eventually('there is a new log', () => existsSync(join(host.path, 'log')));
    await eventually('it is reloaded', () => logged('Reloaded the log and its level'));
    process.kill(host.pid, 'SIGUSR2');
    await eventually('a warning comes through', () => logged('Ignored a signal'));
    const targets = await Promise.all([1, 2].map((fd) => readlink(`/proc/${host.pid}/fd/${fd}`)));
    assert.deepEqual(targets, [join(host.path, 'log'), join(host.path, 'log')]);
    assert.equal((await readdirTargets(host.pid)).includes(join(host.path, 'log.1')), false);
  });

  test('keeps log and level where the configuration is wrong by now', async () => {
    await using host = await serveToFiles();
    await writeFile(host.config, 'version = 2\n');
    process.kill(host.pid, 'SIGHUP');
    await eventually('it says so', async () =>
      (await host.lines()).some(({ level, msg }) => level === 'error' && msg === 'Cannot reload the log'),
    );
  });

  test('has SIGUSR1 write a diagnosis, whatever the level, and open no debugger', async () => {
    await using host = await serveToFiles();
    process.kill(host.pid, 'SIGUSR1');
    await eventually('there is a diagnosis', async () => (await host.lines()).length > 0);
    const [line, ...more] = await host.lines();
    assert.deepEqual(more, []);
    assert.equal(line?.msg, 'Diagnosis');
    assert.deepEqual([line['sandboxes'], line['sandboxesInCreation']], [[], 0]);
    assert.equal(typeof (line['memory'] as { rss?: unknown }).rss, 'number');
    assert.deepEqual(line['hungPaths'], []);
    assert.deepEqual(await listeningPorts(host.pid), []);
  });

  test('has a host live on at every signal that has no meaning to it', async () => {
    await using host = await serveToFiles();
    const signals = ['SIGUSR2', 'SIGQUIT', 'SIGALRM', 'SIGVTALRM', 'SIGIO', 'SIGPWR', 'SIGPIPE'] as const;
    for (const signal of signals) process.kill(host.pid, signal);
    await using transport = await connect({ path: join(host.path, 'state/host.sock') });
    const { platform } = await createClient(Sandbox, transport).platform({ sandboxId: 'a' });
    assert.equal(platform?.os, 'linux');
  });
});

const readdirTargets = async (pid: number): Promise<string[]> => {
  const names = await readdir(`/proc/${pid}/fd`);
  return Promise.all(names.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
};

/** The TCP sockets of a process that listen, by inode (proc(5), net/tcp: state 0A). */
async function listeningPorts(pid: number): Promise<string[]> {
  const table = await readFile(`/proc/${pid}/net/tcp`, 'utf8');
  const listening = table.split('\n').flatMap((row) => {
    const fields = row.trim().split(/\s+/);
    return fields[3] === '0A' ? [`socket:[${fields[9]}]`] : [];
  });
  return (await readdirTargets(pid)).filter((target) => listening.includes(target));
}
