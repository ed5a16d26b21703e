import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { markedProcesses } from '../../harness/containerd/marked-processes.ts';
import { readRecords, type RecordedShare } from '../../harness/containerd/shim-containerd.ts';
import { eventually } from '../../harness/eventually.ts';
import { isGone } from '../../harness/leftovers.ts';
import { shells, shimPlace, type ShimPlace } from './shim-place.ts';

const silent = { code: 0, stdout: '', stderr: '' };

for (const shell of shells) {
  describe(`containerd-shim-virtiofs-v1 delete in ${shell[0]}`, () => {
    test('ends by SIGTERM what a killed host left, in a working directory that is gone', async () => {
      await using place = await shimPlace({ shell });
      const record = await createThenKillHost(place);
      assert.ok(!isGone(record.pid));
      assert.ok(existsSync(record.socketPath) && existsSync(record.source));

      const bundle = await place.bundle('sb');
      const leave = 'cd "$1" && rm -r "$1" && shift && exec "$@"';
      await using other = await shimPlace({ shell: ['sh', '-c', leave, 'sh', bundle, ...shell] });
      const env = {
        CONTAINERD_SHIM_VIRTIOFS_STATE: place.state,
        CONTAINERD_SHIM_VIRTIOFS_CONFIG: place.configFile,
      };
      const { code, stdout, stderr } = await other.delete('sb', { env });
      assert.deepEqual({ code, stdout }, { code: 0, stdout: '' });
      // Some shells say that there is no working directory before they read any script, and say it of an empty one too.
      const empty = join(place.path, 'empty.sh');
      await writeFile(empty, '');
      const ofTheShell = await execa('sh', ['-c', leave, 'sh', await place.bundle('sb'), ...shell, empty]);
      assert.equal(countLines(stderr), countLines(ofTheShell.stderr), stderr);
      await assertNothingLeft(place, record);
    });

    test('ends by SIGKILL what ignores SIGTERM, with its process group', async () => {
      await using place = await shimPlace({ shell, daemon: 'ignores-sigterm' });
      const record = await createThenKillHost(place);
      const group = await groupOf(record.pid);
      assert.equal(group.length, 2);
      assert.deepEqual(await place.delete('sb'), silent);
      for (const pid of group) await eventually(`${pid} is gone`, () => isGone(pid));
      await assertNothingLeft(place, record);
    });

    test('of an unknown sandbox is a silent success', async () => {
      await using place = await shimPlace({ shell });
      assert.deepEqual(await place.delete('unknown'), silent);
      assert.equal(existsSync(place.state), false);
    });

    for (const [what, change] of [
      ['start time', ({ daemon }: RecordedShare) => ({ daemon: daemon && { ...daemon, startTime: 1 } })],
      ['boot', () => ({ bootId: '00000000-0000-0000-0000-000000000000' })],
    ] as const) {
      test(`leaves a process alone that has the pid by chance: other ${what}`, async () => {
        await using place = await shimPlace({ shell });
        const record = await createThenKillHost(place);
        await changeRecord(place, { ...record, ...change(record) });
        assert.deepEqual(await place.delete('sb'), silent);
        assert.ok(!isGone(record.pid));
        assert.deepEqual(await readRecords(place.state), []);
        assert.equal(existsSync(record.socketPath), false);
      });
    }

    test('finds the daemon of a host that died before it could record it', async () => {
      await using place = await shimPlace({ shell });
      const record = await createThenKillHost(place);
      const { daemon: _, ...early } = record;
      await changeRecord(place, early);
      assert.deepEqual(await place.delete('sb'), silent);
      await assertNothingLeft(place, record);
    });
  });
}

describe('containerd-shim-virtiofs-v1 delete', () => {
  test('makes a living host forget the sandbox', async () => {
    await using place = await shimPlace();
    await place.createSandbox('sb');
    const [record] = await readRecords(place.state);
    assert.ok(record);
    assert.deepEqual(await place.delete('sb'), silent);
    await assertNothingLeft(place, record);
    const status = (): Promise<unknown> =>
      place
        .call((sandboxes) => sandboxes.sandboxStatus({ sandboxId: 'sb' }))
        .catch((error: unknown) => error);
    await eventually('the host knows no sb', async () => (await status()) instanceof Error);
    assert.equal(((await status()) as { code: Code }).code, Code.NotFound);
    assert.equal((await place.hosts()).length, 1);
    await place.createSandbox('sb');
  });

  test('starts one host for many at once, which ends by itself', async () => {
    await using place = await shimPlace({ env: { CONTAINERD_SHIM_VIRTIOFS_IDLE_TIMEOUT_MS: '1' } });
    const ids = Array.from({ length: 8 }, (_, index) => `sb${index}`);
    for (const id of ids) await place.createSandbox(id);
    const [host = 0] = await place.hosts();
    process.kill(host, 'SIGKILL');
    await eventually('the host is gone', () => isGone(host));
    const results = await Promise.all(ids.map((id) => place.delete(id)));
    assert.deepEqual(
      results,
      ids.map(() => silent),
    );
    assert.deepEqual(await readRecords(place.state), []);
    await eventually('no host is left', async () => (await place.hosts()).length === 0);
    const log = await readFile(join(place.state, 'host.log'), 'utf8');
    assert.equal(log.match(/"msg":"Serving ttrpc"/g)?.length, 2);
  });

  test('leaves the other sandboxes of the namespace alone', async () => {
    await using place = await shimPlace();
    await place.createSandbox('other');
    const [record] = await readRecords(place.state);
    await place.createSandbox('sb');
    assert.deepEqual(await place.delete('sb'), silent);
    assert.deepEqual(await readRecords(place.state), [record]);
    assert.ok(!isGone(record?.pid ?? 0));
  });

  test('after the death of the host starts one that ends the other sandboxes too', async () => {
    await using place = await shimPlace();
    await place.createSandbox('other');
    const [other] = await readRecords(place.state);
    await createThenKillHost(place);
    assert.deepEqual(await place.delete('sb'), silent);
    await eventually('nothing is on record', async () => (await readRecords(place.state)).length === 0);
    assert.ok(isGone(other?.pid ?? 0));
  });

  test('uses the state in which the sandbox was started, whatever the environment says now', async () => {
    await using place = await shimPlace();
    const record = await createThenKillHost(place);
    const env = {
      CONTAINERD_SHIM_VIRTIOFS_STATE: '/nowhere',
      CONTAINERD_SHIM_VIRTIOFS_CONFIG: '/nowhere.toml',
    };
    assert.deepEqual(await place.delete('sb', { env }), silent);
    await assertNothingLeft(place, record);
  });

  test('does not reach into a mount below a directory of its own, and does so after the unmount', async () => {
    await using place = await shimPlace();
    const record = await createThenKillHost(place);
    const precious = join(place.path, 'precious');
    const mountpoint = join(record.source, 'mounted');
    await Promise.all([mkdir(precious), mkdir(mountpoint)]);
    await writeFile(join(precious, 'file'), 'precious');
    await execa('mount', ['--bind', precious, mountpoint]);
    try {
      const { code, stderr } = await place.delete('sb');
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^containerd-shim-virtiofs-v1: Cannot remove "\S+": "\S+" is still mounted; unmount it first$/m,
      );
      assert.ok(isGone(record.pid), 'the daemon is ended all the same');
      assert.equal(await readFile(join(precious, 'file'), 'utf8'), 'precious');
      assert.equal((await readRecords(place.state)).length, 1);
    } finally {
      await execa('umount', [mountpoint]);
    }
    assert.deepEqual(await place.delete('sb'), silent);
    await assertNothingLeft(place, record);
    assert.ok(existsSync(join(precious, 'file')));
  });

  test('of a container, which has a sandbox of the same name, leaves the sandbox alone', async () => {
    await using place = await shimPlace();
    await place.createSandbox('sb');
    const bundle = join(place.path, 'io.containerd.runtime.v2.task/default/sb');
    assert.deepEqual(await place.delete('sb', { bundle }), silent);
    const [record] = await readRecords(place.state);
    assert.ok(!isGone(record?.pid ?? 0));
  });
});

const countLines = (text: string): number => text.split('\n').filter(Boolean).length;

async function createThenKillHost(place: ShimPlace): Promise<RecordedShare> {
  await place.createSandbox('sb');
  await place.call((sandboxes) => sandboxes.startSandbox({ sandboxId: 'sb' }));
  const [host = 0] = await place.hosts();
  process.kill(host, 'SIGKILL');
  await eventually('the host is gone', () => isGone(host));
  const records = await readRecords(place.state);
  const record = records.find(({ pid }) => pid !== 0);
  assert.ok(record);
  return records.length === 1 ? record : (records.at(-1) ?? record);
}

/** Writes a record as the host does. */
async function changeRecord({ state }: ShimPlace, record: Partial<RecordedShare>): Promise<void> {
  const file = join(state, 'sandboxes/default/sb/work/share.json');
  await rm(file);
  await writeFile(file, `${JSON.stringify(record, undefined, 1)}\n`);
}

async function assertNothingLeft(
  place: ShimPlace,
  { pid, socketPath, source }: RecordedShare,
): Promise<void> {
  assert.ok(isGone(pid), `${pid} is gone`);
  assert.equal(existsSync(socketPath), false);
  assert.equal(existsSync(source), false);
  assert.deepEqual(await readdir(join(place.state, 'sandboxes')), []);
  const others = (await markedProcesses(place.path)).filter(
    ({ argv }) => !/main\.ts|host\.lock/.test(argv.join()),
  );
  assert.deepEqual(others, []);
}

async function groupOf(leader: number): Promise<number[]> {
  const children = await readFile(`/proc/${leader}/task/${leader}/children`, 'utf8');
  return [leader, ...children.split(' ').filter(Boolean).map(Number)];
}
