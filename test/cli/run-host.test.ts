import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { connect, createClient } from 'ttrpc-ts';
import { openHost } from '../../src/host/host.ts';
import { lockFile } from '../../src/proc/flock.ts';
import { Sandbox } from '../../src/proto/containerd/sandbox_pb.ts';
import { captureLog } from '../harness/captured-log.ts';
import { SHIM_VIRTIOFS } from '../harness/shim-virtiofs.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

/** A host in a process of its own, as a shim's `start` starts it. */
interface AnnouncedHost extends AsyncDisposable {
  readonly state: string;
  readonly config: string;
  /** All of its standard output. */
  readonly announced: Promise<string>;
  /** All that comes through a descriptor that it was started with. */
  readonly stray: Promise<string>;
  readonly log: Promise<string>;
  isAlive(): boolean;
  end(signal: NodeJS.Signals): Promise<unknown>;
  /** Resolves to its exit code. */
  readonly ended: Promise<unknown>;
}

async function startHost(...args: string[]): Promise<AnnouncedHost> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const [state, config] = [join(path, 'state'), join(path, 'config.toml')];
  await writeFile(config, 'version = 1\n');
  const command = ['--no-warnings', SHIM_VIRTIOFS, 'serve', '--announce', '-c', config, '--state', state];
  const child = spawn(process.execPath, [...command, ...args], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  const ended = once(child, 'exit').then(([code]: unknown[]) => code);
  stack.defer(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const [, out, err, stray] = child.stdio as unknown as [null, Readable, Readable, Readable];
  const own = stack.move();
  return {
    state,
    config,
    announced: text(out),
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
  test('announces its address in the given state, lets go of output and strays, and serves on', async () => {
    await using host = await startHost();
    const address = join(host.state, 'host.sock');
    assert.deepEqual([await host.announced, await host.stray], [`${address}\n`, '']);
    assert.equal(host.isAlive(), true);
    await using transport = await connect({ path: address });
    const { platform } = await createClient(Sandbox, transport).platform({ sandboxId: 'a' });
    assert.equal(platform?.os, 'linux');
    await transport.close();
    assert.equal(await host.end('SIGTERM'), 0);
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
      const { config, state } = host;
      await using _ = await openHost({ config, state, log: captureLog().log });
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
