import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import type { ContainerRequest, RootfsPart, Sandbox } from '../../src/host/contract.ts';
import { openTestHost, type TestHost } from '../harness/test-host.ts';

// Root file systems of containers in shares of a host. Needs root, to mount.

const namespace = 'default';
const IDS = { namespace, sandboxId: 'sb', bundle: '/nowhere/web' };

const addSandbox = ({ host }: TestHost, source?: string): Promise<Sandbox> =>
  host.sandboxes.create({
    namespace,
    sandboxId: 'sb',
    owner: 'controller',
    contents: { shares: [{ tag: 'work', ...(source === undefined ? {} : { source }) }] },
  });

const request = (containerId: string, ...rootfs: RootfsPart[]): ContainerRequest => ({
  ...IDS,
  containerId,
  rootfs,
});

async function mountsIn({ path }: TestHost): Promise<string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  return lines.filter((line) => line.includes(path) && line.includes('/rootfs'));
}

describe('createContainers()', () => {
  test('mounts the parts of a root file system, and unmounts them when it is deleted', async () => {
    await using own = await openTestHost();
    const { containers } = own.host;
    const sandbox = await addSandbox(own);
    const [share] = sandbox.shares;
    const other = join(own.path, 'other');
    await mkdir(other);
    await writeFile(join(own.source, 'file'), 'of the source');
    const container = await containers.create(
      request('web', { source: own.source, readOnly: true }, { source: other, readOnly: false }),
      {},
    );
    assert.deepEqual([container.tag, container.mountpoints], ['work', ['/rootfs-web', '/rootfs1-web']]);
    const at = (name: string): string => join(share?.sharedDir ?? '', name);
    assert.equal(await readFile(at('rootfs-web/file'), 'utf8'), 'of the source');
    await assert.rejects(writeFile(at('rootfs-web/new'), ''), { code: 'EROFS' });
    await writeFile(at('rootfs1-web/new'), '');
    assert.equal(containers.get(namespace, 'web'), container);
    assert.equal(containers.find('other', 'web'), undefined);
    assert.equal((await containers.delete(namespace, 'web')).exitStatus, 0);
    assert.equal((await container.ended).exitStatus, 0);
    assert.deepEqual(readdirSync(share?.sharedDir ?? ''), []);
    assert.deepEqual(await mountsIn(own), []);
    await assert.rejects(containers.delete(namespace, 'web'), {
      code: Code.NotFound,
      message: 'No container "web" in namespace "default"',
    });
  });

  test('leaves nothing where a part cannot be mounted, and takes an id once', async () => {
    await using own = await openTestHost();
    const { containers } = own.host;
    await addSandbox(own);
    const parts = [own.source, join(own.path, 'none')].map((source) => ({ source, readOnly: false }));
    await assert.rejects(containers.create(request('web', ...parts), {}), { code: Code.NotFound });
    assert.deepEqual(await mountsIn(own), []);
    assert.equal(containers.find(namespace, 'web'), undefined);
    const part = { source: own.source, readOnly: false };
    const both = await Promise.allSettled([
      containers.create(request('db', part), {}),
      containers.create(request('db', part), {}),
    ]);
    assert.deepEqual(
      both.map((result) =>
        result.status === 'rejected' ? (result.reason as { code: Code }).code : undefined,
      ),
      [undefined, Code.AlreadyExists],
    );
    assert.equal((await mountsIn(own)).length, 1);
  });

  test('refuses a sandbox that is unknown, or has no directory of the host', async () => {
    await using own = await openTestHost();
    const { containers } = own.host;
    const part = { source: own.source, readOnly: false };
    await assert.rejects(containers.create(request('web', part), {}), { code: Code.NotFound });
    await addSandbox(own, own.source);
    await assert.rejects(containers.create(request('web', part), {}), {
      code: Code.FailedPrecondition,
      message: 'Sandbox "sb" has no share to mount into: open one without a source',
    });
    assert.deepEqual(await mountsIn(own), []);
  });

  test('gives up a creation when its caller goes, or when it is deleted meanwhile', async () => {
    await using own = await openTestHost();
    const { containers } = own.host;
    await addSandbox(own);
    const part = { source: own.source, readOnly: false };
    const caller = new AbortController();
    const abandoned = containers.create(request('web', part), { signal: caller.signal });
    caller.abort();
    await assert.rejects(abandoned, { name: 'AbortError' });
    const creating = assert.rejects(containers.create(request('db', part), {}), {
      code: Code.Canceled,
      message: 'Container "db" was deleted while it was being created',
    });
    assert.equal(await containers.forget(namespace, 'db'), true);
    await creating;
    assert.deepEqual(await mountsIn(own), []);
    assert.equal(containers.find(namespace, 'db'), undefined);
  });

  test('remembers one that was deleted until it is forgotten', async () => {
    await using own = await openTestHost();
    const { containers } = own.host;
    await addSandbox(own);
    await containers.create(request('web', { source: own.source, readOnly: false }), {});
    containers.kill(namespace, 'web', 15);
    assert.equal(containers.get(namespace, 'web').exit?.exitStatus, 143);
    assert.equal((await containers.delete(namespace, 'web')).exitStatus, 143);
    assert.equal(await containers.forget(namespace, 'web'), true);
    assert.equal(await containers.forget(namespace, 'web'), false);
  });

  test('is not hurt by a share whose record is torn', async () => {
    await using own = await openTestHost();
    const { containers, sandboxes, stateDir } = own.host;
    await addSandbox(own);
    await sandboxes.create({
      namespace,
      sandboxId: 'torn',
      owner: 'controller',
      contents: { shares: [{ tag: 'work', source: own.source }] },
    });
    const { record } = stateDir.share(namespace, 'torn', 'work');
    const whole = await readFile(record);
    await writeFile(record, '{');
    await containers.create(request('web', { source: own.source, readOnly: false }), {});
    assert.equal(containers.find(namespace, 'other'), undefined);
    assert.equal(await containers.forget(namespace, 'web'), true);
    await writeFile(record, whole);
  });

  test('ends them with their sandbox', async () => {
    await using own = await openTestHost();
    const { containers, sandboxes } = own.host;
    const sandbox = await addSandbox(own);
    const container = await containers.create(request('web', { source: own.source, readOnly: false }), {});
    await sandbox[Symbol.asyncDispose]();
    assert.equal((await container.ended).exitStatus, 137);
    assert.deepEqual(await mountsIn(own), []);
    assert.equal((await containers.delete(namespace, 'web')).exitStatus, 137);
    await sandboxes.delete(namespace, 'sb');
    assert.equal(containers.find(namespace, 'web'), undefined);
    assert.equal(existsSync(own.source), true);
  });
});
