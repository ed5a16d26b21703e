import assert from 'node:assert/strict';
import { readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { eventually } from '../../harness/eventually.ts';
import { markedProcesses } from '../../harness/containerd/marked-processes.ts';
import { bootstrapResult, script, shells, shimPlace } from './shim-place.ts';

const idleTimeout = (ms: number): { env: Record<string, string> } => ({
  env: { CONTAINERD_SHIM_VIRTIOFS_IDLE_TIMEOUT_MS: `${ms}` },
});

for (const shell of shells) {
  describe(`containerd-shim-virtiofs-v1 start in ${shell[0]}`, () => {
    test('prints the bootstrap result and nothing else, and gives the same host to the next', async () => {
      await using place = await shimPlace({ shell });
      const stdout = bootstrapResult(place);
      assert.deepEqual(await place.start('one'), { code: 0, stdout, stderr: '' });
      const hosts = await place.hosts();
      assert.equal(hosts.length, 1);
      assert.deepEqual(await place.start('two'), { code: 0, stdout, stderr: '' });
      assert.deepEqual(await place.hosts(), hosts);
      assert.equal((await stat(place.state)).mode & 0o777, 0o700);
      assert.equal((await stat(join(place.state, 'host.sock'))).mode & 0o777, 0o600);
    });

    test('starts one host under eight concurrent calls', async () => {
      await using place = await shimPlace({ shell });
      const ids = Array.from({ length: 8 }, (_, index) => `sb${index}`);
      const results = await Promise.all(ids.map((id) => place.start(id)));
      assert.equal(new Set(results.map(({ stdout }) => stdout)).size, 1);
      for (const { code, stderr } of results) assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
      assert.equal((await place.hosts()).length, 1);
    });
  });
}

describe('containerd-shim-virtiofs-v1 start', () => {
  test('starts another host where the last one was killed', async () => {
    await using place = await shimPlace();
    const first = await place.start('one');
    const [host = 0] = await place.hosts();
    process.kill(host, 'SIGKILL');
    await eventually('the lock is free', async () => (await markedProcesses(place.path)).length === 0);
    assert.deepEqual(await place.start('one'), first);
    assert.equal(await place.call(async (sandboxes) => (await sandboxes.platform({})).platform?.os), 'linux');
  });

  test("hands no descriptor of containerd's to the host", async () => {
    await using place = await shimPlace();
    // Inherited as containerd inherits them from whoever started it: a pipe and a file.
    const names = ['-namespace', 'default', '-id', 'sb', 'start'];
    const started = await execa('sh', ['-c', 'exec 5>leaked; exec "$@"', 'sh', script, ...names], {
      cwd: await place.bundle('sb'),
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: {
        CONTAINERD_SHIM_VIRTIOFS_STATE: place.state,
        CONTAINERD_SHIM_VIRTIOFS_CONFIG: place.configFile,
      },
    });
    assert.equal(started.stderr, '');
    const [host = 0] = await place.hosts();
    const descriptors = await readdir(`/proc/${host}/fd`);
    const targets = await Promise.all(
      descriptors.map((fd) => readlink(`/proc/${host}/fd/${fd}`).catch(() => '')),
    );
    assert.deepEqual(
      targets.filter((target) => target.includes('leaked')),
      [],
    );
    assert.deepEqual(await Promise.all([0, 1, 2].map((fd) => readlink(`/proc/${host}/fd/${fd}`))), [
      '/dev/null',
      join(place.state, 'host.log'),
      join(place.state, 'host.log'),
    ]);
    // execa has returned, so the pipe has ended: nobody else holds it.
  });

  test('starts a host that ends when no sandbox is created, and another one after it', async () => {
    await using place = await shimPlace();
    const first = await place.start('sb', idleTimeout(300));
    const [host = 0] = await place.hosts();
    await eventually('the host has ended', async () => (await place.hosts()).length === 0);
    assert.deepEqual((await readdir(place.state)).filter((name) => name.startsWith('host.')).toSorted(), [
      'host.lock',
      'host.log',
    ]);
    assert.deepEqual(await place.start('sb'), first);
    assert.notDeepEqual(await place.hosts(), [host]);
  });

  test('starts a host that stays while it has a sandbox', async () => {
    await using place = await shimPlace();
    // A host may be idle for too long before the sandbox comes.
    await eventually('the sandbox is created', () =>
      place.createSandbox('sb', idleTimeout(200)).then(
        () => true,
        () => false,
      ),
    );
    const hosts = await place.hosts();
    await using other = await shimPlace();
    await other.start('sb', idleTimeout(200));
    await eventually('a host without a sandbox has ended', async () => (await other.hosts()).length === 0);
    assert.deepEqual(await place.hosts(), hosts);
    await place.call((sandboxes) => sandboxes.shutdownSandbox({ sandboxId: 'sb' }));
    await eventually('the host has ended', async () => (await place.hosts()).length === 0);
    assert.deepEqual(await markedProcesses(place.path), []);
  });

  test('starts the host in the root directory, with its log in the state', async () => {
    await using place = await shimPlace();
    await place.start('sb');
    const [host = 0] = await place.hosts();
    assert.equal(await readlink(`/proc/${host}/cwd`), '/');
    const log = await readFile(join(place.state, 'host.log'), 'utf8');
    assert.ok(log.includes('"msg":"Serving ttrpc"'), log);
    await rm(await place.bundle('sb'), { recursive: true });
  });
});
