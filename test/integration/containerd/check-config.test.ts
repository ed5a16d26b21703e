import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http2';
import { createServer as createSocketServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { CONTROLLER } from '../../harness/containerd/controller-containerd.ts';
import { startShimContainerd, type ShimContainerd } from '../../harness/containerd/shim-containerd.ts';
import { runShimVirtiofs, type Ended } from '../../harness/shim-virtiofs.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

// What `check-config` says of a containerd that runs. Needs root.

const socketOf = (dir: string): string => `${dir}/shim/grpc.sock`;

describe('shim-virtiofs check-config beside a containerd', () => {
  for (const version of ['2.3.7', '2.4.2'] as const) {
    test(`${version} that knows no sandbox controller says what to add to its configuration`, async () => {
      await using containerd = await startShimContainerd({ version, config: '[grpc]' });
      const { exitCode, stdout, stderr } = await checkBeside(containerd);
      assert.equal(exitCode, 0);
      assert.match(stdout, / is valid; /);
      const controller = socketOf(containerd.dir);
      const lines = `[proxy_plugins.virtiofs] with type = "sandbox" and address = "${controller}"`;
      const problem = `containerd at "${containerd.address}" will call no sandbox controller at "${controller}"`;
      assert.equal(stderr, `shim-virtiofs: ${problem}: add ${lines} to its configuration, and restart it`);
    });

    test(`${version} that knows another controller only says so, too`, async () => {
      await using containerd = await startShimContainerd({
        version,
        config: '[grpc]',
        extraConfig: (dir) => proxyPlugin(`${dir}/other.sock`),
      });
      assert.match(
        (await checkBeside(containerd)).stderr,
        /will call no sandbox controller at ".*grpc\.sock": add/,
      );
    });

    test(`${version} that knows its controller says nothing, and neither where none is served`, async () => {
      await using containerd = await startShimContainerd({
        version,
        config: '[grpc]',
        extraConfig: (dir) => proxyPlugin(socketOf(dir)),
      });
      assert.deepEqual(problemOf(await checkBeside(containerd)), [0, '']);
      assert.deepEqual(problemOf(await checkBeside(containerd, { controller: false })), [0, '']);
    });
  }

  test('that is not there, or has ended, says nothing; one that cannot be asked is named', async () => {
    await using directory = await temporaryDirectory();
    const place = { address: join(directory.path, 'c.sock'), state: join(directory.path, 'shim') };
    assert.deepEqual(problemOf(await checkBeside(place)), [0, '']);
    await leaveSocket(place.address);
    assert.deepEqual(problemOf(await checkBeside(place)), [0, '']);
    await rm(place.address);
    const server = createServer((_, response) => response.writeHead(404).end());
    await once(server.listen(place.address), 'listening');
    const { exitCode, stderr } = await checkBeside(place);
    server.close();
    assert.equal(exitCode, 0);
    const start = `shim-virtiofs: Cannot ask containerd at "${place.address}" for its sandbox controllers: `;
    assert.equal(stderr.slice(0, start.length), start);
  });
});

const proxyPlugin = (address: string): string =>
  `[proxy_plugins.${CONTROLLER}]\n  type = "sandbox"\n  address = "${address}"\n`;

const problemOf = ({ exitCode, stderr }: Ended): [number | undefined, string] => [exitCode, stderr];

/** Makes a socket to which nobody listens, as one that was killed leaves. */
async function leaveSocket(path: string): Promise<void> {
  const server = createSocketServer().listen(`${path}.former`);
  await once(server, 'listening');
  await rename(`${path}.former`, path);
  server.close();
  await once(server, 'close');
}

/** Checks a configuration that names that containerd. */
async function checkBeside(
  { address, state }: Pick<ShimContainerd, 'address' | 'state'>,
  { controller = true }: { controller?: boolean } = {},
): Promise<Ended> {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'config.toml');
  const tables = `[containerd]\nttrpc_address = "${address}.ttrpc"\n${controller ? '[grpc]\n' : ''}`;
  await writeFile(file, `version = 1\nstate = "${state}"\nscratch_dir = "${state}"\n${tables}`);
  return await runShimVirtiofs('check-config', '--config', file);
}
