import assert from 'node:assert/strict';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { execa } from 'execa';
import { OptionsSchema } from '../../../../src/proto/containerd/runtime-options_pb.ts';
import { Controller } from '../../../../src/proto/containerd/sandbox-controller_pb.ts';
import { startContainerd } from '../../../harness/containerd/containerd.ts';
import { connectGrpc, type GrpcConnection } from '../../../harness/containerd/grpc.ts';
import { createSandbox, removeSandbox } from '../../../harness/containerd/sandboxes.ts';
import { readRecords, specOf } from '../../../harness/containerd/shim-containerd.ts';
import { eventually } from '../../../harness/eventually.ts';
import { isGone } from '../../../harness/leftovers.ts';
import { pidOnRecord } from '../../../harness/serve-process.ts';
import { connectShares } from '../../../harness/share-client.ts';
import { writePlugin } from '../../../harness/test-plugin.ts';

// Runs in the Debian of ../deb.test.ts, where version 1 of the package is installed and all is where a node has it.

const state = '/run/containerd-shim-virtiofs';
const config = '/etc/containerd-shim-virtiofs/config.toml';
const sandboxer = 'virtiofs';
const sandbox = { sandboxId: 'sb', sandboxer };

interface RunningHost extends Disposable {
  readonly pid: number;
  /** All that it has printed. */
  output(this: void): string;
  /** Its exit code. */
  readonly ended: Promise<number | undefined>;
}

/** A host as the unit starts it. Disposal kills it. */
function startHost(): RunningHost {
  const host = execa('shim-virtiofs', ['serve', '--take-over'], { all: true, reject: false });
  let output = '';
  host.all.on('data', (data: Buffer) => void (output += data.toString()));
  return {
    pid: host.pid ?? 0,
    output: () => output,
    ended: host.then(({ exitCode }) => exitCode),
    [Symbol.dispose]: () => void host.kill('SIGKILL'),
  };
}

/** Resolves when it has the state directory and callers find it. */
async function untilServing(host: RunningHost): Promise<void> {
  await eventually('the host serves', () => {
    if (isGone(host.pid)) throw new Error(`The host ended: ${host.output()}`);
    return pidOnRecord(state) === host.pid;
  });
}

/** What a host imports when it is wanted first. */
async function useAll(host: RunningHost, tag: string): Promise<void> {
  await using caller = await connectShares(join(state, 'host.sock'));
  const { client } = caller;
  await client.open({ sandboxId: 'api', tag });
  await client.mount({ sandboxId: 'api', tag, source: '/srv', mountpoint: '/mounted' });
  await client.unmount({ sandboxId: 'api', tag, mountpoint: '/mounted' });
  await assert.rejects(
    client.open({ sandboxId: 'nydus', tag, sharedFs: 'virtio-fs-nydus' }),
    /nydusd.*install|install.*nydusd/i,
  );
  const before = host.output().length;
  process.kill(host.pid, 'SIGUSR1');
  await eventually('a diagnosis', () => host.output().slice(before).includes('"msg":"Diagnosis"'));
}

/** Says which version of the library it has got. */
const PLUGIN = `import { Code, StatusError } from 'containerd-shim-virtiofs/plugin';
export const create = () => ({
  open: async () => {
    throw new StatusError(Code.Unavailable, 'by version ' + (globalThis.isOfVersion2 ? 2 : 1));
  },
  close: async () => {},
});`;

/** Has a sandbox refused by a plugin that its runtime's own configuration names. */
async function refusedByPlugin(grpc: GrpcConnection, id: string): Promise<void> {
  const configPath = '/etc/containerd-shim-virtiofs/other.toml';
  await writeFile(configPath, 'version = 1\nplugin_dirs = ["/srv/plugins"]\nshared_fs = "fs-later"\n');
  await writePlugin('/srv/plugins', { id: 'later', code: PLUGIN });
  const runtimeOptions = create(OptionsSchema, { configPath });
  await createSandbox(grpc, { id, spec: specOf({ work: '/srv/work' }), sandboxer, runtimeOptions });
}

test('a sandbox of the controller lives through an upgrade and a removal of the package', async () => {
  await mkdir('/srv/work', { recursive: true });
  const imports = ['/usr/share/doc/containerd-shim-virtiofs/examples/containerd.toml'];
  await using containerd = await startContainerd({ version: '2.4.2', imports });
  using grpc = connectGrpc(containerd.address);
  using first = startHost();
  await untilServing(first);
  await createSandbox(grpc, { id: 'sb', spec: specOf({ work: '/srv/work' }), sandboxer });
  const { pid } = await grpc.unary(Controller.method.start, sandbox);
  const versionOfHost = async (): Promise<unknown> => {
    const {
      state: is,
      info,
      pid: daemon,
    } = await grpc.unary(Controller.method.status, {
      ...sandbox,
      verbose: true,
    });
    assert.deepEqual([is, daemon], ['SANDBOX_READY', pid]);
    return (JSON.parse(info['host'] ?? '{}') as { version?: string }).version;
  };
  assert.equal(await versionOfHost(), '0.0.1');
  await appendFile(config, '# of the administrator\n');

  const { stdout: said } = await execa('dpkg', ['--force-confold', '-i', '/packages/2.deb']);
  assert.match(said, new RegExp(`former version \\(process ${first.pid}\\) goes on.*serve --take-over`));
  assert.match(await readFile(config, 'utf8'), /^# of the administrator$/m);
  assert.match(await readFile(`${config}.dpkg-dist`, 'utf8'), /^# of version 2$/m);
  assert.equal(await versionOfHost(), '0.0.1');
  await useAll(first, 'one');
  await assert.rejects(refusedByPlugin(grpc, 'early'), /by version 1/);

  using second = startHost();
  await untilServing(second);
  assert.equal(await first.ended, 0, first.output());
  assert.equal(await versionOfHost(), '0.0.2');
  await assert.rejects(refusedByPlugin(grpc, 'late'), /by version 2/);
  const record = (await readRecords(state)).find(({ owner }) => owner === 'controller');
  assert.equal(record?.pid, pid);

  const { stdout: left } = await execa('dpkg', ['-r', 'containerd-shim-virtiofs']);
  assert.match(left, /left running: 2 sandboxes with 2 shares\./);
  assert.match(left, new RegExp(`host \\(process ${second.pid}\\) goes on .*: kill ${second.pid}$`, 'm'));
  await assert.rejects(execa('shim-virtiofs', ['--version']), { code: 'ENOENT' });
  await useAll(second, 'two');
  assert.equal(await versionOfHost(), '0.0.2');
  await removeSandbox(grpc, 'sb');
  assert.ok(isGone(pid));
  await using caller = await connectShares(join(state, 'host.sock'));
  await caller.client.close({ sandboxId: 'api' });
  assert.deepEqual(await readRecords(state), []);
  process.kill(second.pid, 'SIGTERM');
  assert.equal(await second.ended, 0, second.output());
});
