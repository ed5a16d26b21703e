import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Controller } from '../../src/proto/containerd/sandbox-controller_pb.ts';
import { activated, hasListener, noActivation as skip } from '../harness/activated.ts';
import { connectGrpc } from '../harness/containerd/grpc.ts';
import { eventually } from '../harness/eventually.ts';
import { connectShares } from '../harness/share-client.ts';
import { SHIM_VIRTIOFS } from '../harness/shim-virtiofs.ts';
import { ended, openNode, outputOf, type Node } from '../harness/take-over.ts';

// Sockets that systemd opens for a host. Needs root.

/** A host that is started when somebody connects. */
interface Awaited extends AsyncDisposable {
  /** Once somebody has connected: that of the host. */
  readonly pid: number;
  /** How it ended, with all that it printed. */
  readonly end: Promise<{ exitCode?: number | undefined; all: string }>;
  kill(signal: NodeJS.Signals): void;
}

async function awaitCallers(node: Node, name: string, ...args: string[]): Promise<Awaited> {
  const path = join(node.state, name);
  const serve = [process.execPath, SHIM_VIRTIOFS, 'serve', '--config', node.config, ...args];
  const [program = '', ...rest] = activated(path, serve);
  const host = execa(program, rest, { reject: false, all: true });
  await eventually('somebody listens', () => hasListener(path));
  return {
    pid: host.pid ?? 0,
    end: host,
    kill: (signal) => host.kill(signal),
    async [Symbol.asyncDispose]() {
      host.kill('SIGKILL');
      await host;
    },
  };
}

/** A place whose hosts serve a controller. */
async function openConfigured(tables = '[grpc]\n'): Promise<Node> {
  const node = await openNode();
  await mkdir(node.state, { mode: 0o700 });
  await writeFile(
    node.config,
    `version = 1\nstate = "${node.state}"\nscratch_dir = "${node.state}"\n${tables}`,
  );
  return node;
}

describe('a host that systemd starts when somebody connects', { skip }, () => {
  test('answers who has connected before, and leaves the socket for the next', async () => {
    await using node = await openConfigured();
    const path = join(node.state, 'host.sock');
    await using host = await awaitCallers(node, 'host.sock');
    const { ino } = await stat(path);
    await using caller = await connectShares(path);
    assert.equal((await caller.client.version({})).pid, host.pid);
    using grpc = connectGrpc(join(node.state, 'grpc.sock'));
    await assert.rejects(grpc.unary(Controller.method.status, { sandboxId: 'none' }), { code: 5 });

    host.kill('SIGTERM');
    assert.equal((await host.end).exitCode, 0);
    assert.equal((await stat(path)).ino, ino);
    await assert.rejects(stat(join(node.state, 'grpc.sock')), { code: 'ENOENT' });
  });

  test('leaves those who come while it ends to the next', async () => {
    await using node = await openConfigured();
    const path = join(node.state, 'grpc.sock');
    const serve = [process.execPath, SHIM_VIRTIOFS, 'serve', '--config', node.config];
    // Another process holds the socket, as systemd does.
    const holder = join(node.path, 'holder');
    const script = 'sleep 600 >/dev/null 2>&1 & echo $! >"$0"; exec "$@"';
    const [program = '', ...rest] = activated(path, ['sh', '-c', script, holder, ...serve]);
    const host = execa(program, rest, { reject: false, all: true });
    await using _ = {
      async [Symbol.asyncDispose]() {
        host.kill('SIGKILL');
        await host;
        process.kill(Number(await readFile(holder, 'utf8')));
      },
    };
    await eventually('somebody listens', () => hasListener(path));
    // The host waits for this one a second long.
    const hanging = connect({ path, allowHalfOpen: true }).on('error', () => {});
    await once(hanging, 'data');
    hanging.pause();
    let printed = '';
    host.all.on('data', (text) => (printed += text));
    host.kill('SIGTERM');
    await eventually('the host ends', () => printed.includes('Ending; shares stay'));
    const next = connect(path).on('error', () => {});
    await once(next, 'connect');
    assert.equal((await host).exitCode, 0);
    hanging.destroy();
    assert.equal(hasListener(path), true);
    assert.deepEqual({ closed: next.closed, read: next.bytesRead }, { closed: false, read: 0 });
    next.destroy();
  });

  test('serves at its own socket where it takes over from a host that has one, and says so', async () => {
    await using node = await openNode();
    const top = '[grpc]\n';
    await using former = await node.start({ top });
    const path = join(node.state, 'grpc.sock');
    await eventually('the controller is served', () => existsSync(path));
    await using host = await awaitCallers(node, 'grpc.sock', '--take-over');
    const first = connect(path);
    first.on('connect', () => first.destroy());
    assert.equal(await ended(former), 0, outputOf(former));
    using grpc = connectGrpc(path);
    await assert.rejects(grpc.unary(Controller.method.status, { sandboxId: 'none' }), { code: 5 });
    await using caller = await connectShares(join(node.state, 'host.sock'));
    assert.equal((await caller.client.version({})).pid, host.pid);
    host.kill('SIGTERM');
    const { exitCode, all } = await host.end;
    assert.equal(exitCode, 0);
    assert.match(
      all,
      /"paths":\[".*grpc\.sock"\],"msg":"Took over from a host that had these addresses itself/,
    );
  });

  for (const [what, name, mode, says, tables] of [
    [
      'that is none of its addresses',
      'other.sock',
      0o600,
      /listens at ".*other\.sock": set ListenStream to ".*host\.sock" or ".*grpc\.sock"/,
    ],
    [
      'of a controller that it has not',
      'grpc.sock',
      0o600,
      /listens at ".*grpc\.sock": set ListenStream to ".*host\.sock", or configure \[grpc\], or mask the unit/,
      '',
    ],
    [
      'to which others can connect',
      'grpc.sock',
      0o620,
      /others can connect to ".*grpc\.sock": set SocketMode=0600/,
    ],
  ] as const) {
    test(`refuses a socket ${what}`, async () => {
      await using node = await openConfigured(tables);
      await using host = await awaitCallers(node, name);
      await chmod(join(node.state, name), mode);
      using grpc = connectGrpc(join(node.state, name));
      await assert.rejects(grpc.unary(Controller.method.status, { sandboxId: 'none' }), { code: 14 });
      const { exitCode, all } = await host.end;
      assert.match(all, says);
      assert.equal(exitCode, 2);
    });
  }

  const places = {
    'that another user has': ['closed/grpc.sock', (path: string) => chown(path, 65_534, 65_534)],
    'that others can put another one in place of': [
      'open/grpc.sock',
      (path: string) => chmod(dirname(path), 0o777),
    ],
  } as const;
  for (const [what, [name, spoil]] of Object.entries(places)) {
    test(`refuses a socket ${what}`, async () => {
      await using node = await openConfigured();
      const path = join(node.state, '..', name);
      await mkdir(dirname(path), { mode: 0o700 });
      await writeFile(
        node.config,
        `version = 1\nscratch_dir = "${node.state}"\n[grpc]\naddress = "${path}"\n`,
      );
      await using host = await awaitCallers(node, join('..', name), '--state', node.state);
      await spoil(path);
      using grpc = connectGrpc(path);
      await assert.rejects(grpc.unary(Controller.method.status, { sandboxId: 'none' }), { code: 14 });
      const { exitCode, all } = await host.end;
      assert.match(all, /Cannot trust ".*": it (belongs to user 65534|can be written to by others): /);
      assert.equal(exitCode, 1);
    });
  }
});
