import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { createApi } from '../../plugin/nydus/api-client.ts';
import type { ShareRecord } from '../../src/share/record.ts';
import { isMounted } from '../../src/mount/unmount.ts';
import { eventually } from '../harness/eventually.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { nydusNode, type NydusHost, type NydusNode } from '../harness/nydus/nydus-host.ts';
import { obtainOrSkip } from '../setup/obtain.ts';

const { skip } = await obtainOrSkip('nydus');
const AUTH = Buffer.from('user:very-secret').toString('base64');
/** Nothing is read of its images, so nobody needs to be there. */
const REGISTRY = {
  type: 'registry',
  config: { scheme: 'http', host: '127.0.0.1:1', repo: 'app', auth: AUTH },
};
const LOST = 'Cannot mount again what a former daemon had';

const at = (container: string): string => `/rafs/${container}/lowerdir`;

/** The order in which a share's nydusd says that it has mounted images. */
const orderOf = ({ share }: NydusHost): string[] =>
  share.status().lastLines.flatMap((line) => /Rafs filesystem mounted at (\S+)/.exec(line)?.[1] ?? []);

/** Of each mount that is listed, its problem. */
const problemsOf = ({ sandbox }: NydusHost): (readonly [string, string | undefined])[] =>
  sandbox.mounts('work').map(({ mountpoint, problem }) => [mountpoint, problem]);

async function mountAll(own: NydusHost, node: NydusNode, ...containers: string[]): Promise<void> {
  await own.share.ready;
  for (const container of containers)
    // oxlint-disable-next-line no-await-in-loop -- the order is what is looked at
    await own.sandbox.mount('work', await node.imageOf(container));
}

/** Writes a share's record as a host would have left it. */
function rewrite(node: NydusNode, change: (record: ShareRecord) => Partial<ShareRecord>): void {
  const record = node.record();
  node.writeRecord({ ...record, ...change(record) });
}

/** The files below a directory that hold a text. */
const filesWith = (directory: string, text: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(
    (name) =>
      statSync(join(directory, name)).isFile() && readFileSync(join(directory, name), 'utf8').includes(text),
  );

/** Puts a pipe in the place of an image's bootstrap: nydusd waits for it, as for a registry that does not answer. */
async function block(source: string): Promise<void> {
  rmSync(source);
  await execa('mkfifo', [source]);
}

/** Resolves when nydusd waits for something, and answers nothing on its API. */
const isBlocked = ({ share }: NydusHost): Promise<void> =>
  eventually('the API is held up', () =>
    createApi(share.apiSocketPath ?? '')
      .find({ signal: AbortSignal.timeout(300) })
      .then(
        () => false,
        ({ name }: Error) => name === 'TimeoutError',
      ),
  );

// The real nydusd, which needs root.
describe('images in a nydusd that is replaced before its VMM came', { skip }, () => {
  test('are mounted again before it is ready, in their order, and what is bound elsewhere stays', async () => {
    await using node = await nydusNode();
    await using own = await node.open();
    const { sandbox, share } = own;
    await mountAll(own, node, 'c2', 'c1', 'c3');
    await sandbox.unmount('work', at('c3'));
    await sandbox.mount('work', await node.imageOf('c0'));
    const plain = await sandbox.openShare({ tag: 'plain', sharedFs: 'virtio-fs' });
    await sandbox.mount('plain', { source: join(node.path, 'image'), mountpoint: '/data' });

    for (const restarts of [1, 2]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await own.replaceDaemon();
      // oxlint-disable-next-line no-await-in-loop -- as above
      await share.ready;
      // oxlint-disable-next-line no-await-in-loop -- as above
      assert.deepEqual(await own.mounted(), [at('c0'), at('c1'), at('c2')]);
      assert.deepEqual([share.status().state, share.status().restarts], ['waiting', restarts]);
    }
    await eventually('it has said so', () => orderOf(own).length === 3);
    assert.deepEqual(orderOf(own), [at('c2'), at('c1'), at('c0')]);
    assert.deepEqual(problemsOf(own), [
      [at('c2'), undefined],
      [at('c1'), undefined],
      [at('c0'), undefined],
    ]);
    assert.deepEqual(node.captured.withMessage(LOST), []);
    assert.equal(isMounted(join(plain.sharedDir, 'data')), true);
    await own.host.sandboxes.delete('default', 'a');
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('are mounted again by the next host too, but for one whose request had credentials: that is nowhere on record', async () => {
    await using node = await nydusNode();
    const former = await node.open();
    await mountAll(former, node, 'c2', 'c1');
    const secret = await node.imageOf('secret', REGISTRY);
    await former.sandbox.mount('work', secret);
    // As a snapshotter asks for it.
    const { source, config } = await node.imageOf('snapshot', REGISTRY);
    const extra = Buffer.from(JSON.stringify({ source, config, snapshotdir: '/none' })).toString('base64');
    const snapshot = {
      source: 'overlay',
      mountpoint: at('snapshot'),
      type: 'fuse.nydus-overlayfs',
      options: ['lowerdir=/none', `extraoption=${extra}`],
    };
    await former.sandbox.mount('work', snapshot);
    // This host was asked for it, and knows.
    await former.replaceDaemon();
    await former.share.ready;
    const all = [at('c1'), at('c2'), at('secret'), at('snapshot')];
    assert.deepEqual(await former.mounted(), all);
    for (const text of [AUTH, 'very-secret', extra]) assert.deepEqual(filesWith(node.state, text), []);
    assert.equal(JSON.stringify(former.sandbox.mounts('work')).includes(extra), false);
    assert.equal(JSON.stringify(node.captured.lines).includes(AUTH), false);
    const { pid } = former.share;
    await former.host.detach();
    process.kill(pid, 'SIGKILL');
    await eventually('it has ended', () => isGone(pid));

    await using own = await node.open();
    await eventually('another one is there', () => own.share.status().restarts === 2);
    await own.share.ready;
    assert.deepEqual(await own.mounted(), [at('c1'), at('c2')]);
    const problem = 'What it is made of is not on record, as it may hold secrets: mount it once more';
    const expected = [
      [at('c2'), undefined],
      [at('c1'), undefined],
      [at('secret'), problem],
      [at('snapshot'), problem],
    ];
    assert.deepEqual(problemsOf(own), expected);
    assert.deepEqual(
      node.captured.withMessage(`${LOST}: ${problem}`).map(({ level, mountpoint }) => [level, mountpoint]),
      [
        ['error', at('secret')],
        ['error', at('snapshot')],
      ],
    );
    await own.sandbox.mount('work', secret);
    await own.sandbox.unmount('work', at('snapshot'));
    assert.deepEqual(problemsOf(own), [...expected.slice(0, 2), [at('secret'), undefined]]);
    await own.replaceDaemon();
    await own.share.ready;
    assert.deepEqual(await own.mounted(), [at('c1'), at('c2'), at('secret')]);
    await own.host.sandboxes.delete('default', 'a');
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('are mounted by the next host where one died before it had done so, and what it had not finished is undone', async () => {
    await using node = await nydusNode();
    const former = await node.open();
    await mountAll(former, node, 'c1', 'c2');
    await former.host.detach();
    const api = createApi(former.share.apiSocketPath ?? '');
    await api.unmount(at('c1'), {});
    await api.unmount(at('c2'), {});
    const { source, config = '' } = await node.imageOf('pending');
    await api.mountImage(at('pending'), { source, config }, {});
    rewrite(node, ({ mounts }) => ({
      restarts: 1,
      mounts: [
        ...mounts,
        {
          source,
          mountpoint: at('pending'),
          mountedAt: new Date().toISOString(),
          isPending: true,
          restarts: 1,
        },
      ],
    }));
    await using own = await node.open();
    await own.share.ready;
    assert.equal(own.share.status().adopted, true);
    await eventually('it is undone', () => node.record().mounts.length === 2);
    assert.deepEqual(await own.mounted(), [at('c1'), at('c2')]);
    assert.deepEqual(problemsOf(own), [
      [at('c1'), undefined],
      [at('c2'), undefined],
    ]);
    await own.host.sandboxes.delete('default', 'a');
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('are told by name where they cannot be mounted again, and the others are', async () => {
    await using node = await nydusNode();
    await using own = await node.open();
    await mountAll(own, node, 'c1', 'gone', 'c3');
    const { source } = await node.imageOf('gone');
    rmSync(source);
    await own.replaceDaemon();
    await own.share.ready;
    assert.deepEqual(await own.mounted(), [at('c1'), at('c3')]);
    const problem = `Bootstrap "${source}" does not exist: name the image's metadata file`;
    assert.deepEqual(problemsOf(own), [
      [at('c1'), undefined],
      [at('gone'), problem],
      [at('c3'), undefined],
    ]);
    const [line] = node.captured.withMessage(`${LOST}: ${problem}`);
    assert.deepEqual(
      [line?.level, line?.['sandbox'], line?.['share'], line?.['mountpoint'], line?.['source']],
      ['error', 'a', 'work', at('gone'), source],
    );
    // It is tried again in the next one, and once more when somebody asks.
    await node.imageOf('gone');
    await own.replaceDaemon();
    await own.share.ready;
    assert.deepEqual(await own.mounted(), [at('c1'), at('c3'), at('gone')]);
    assert.deepEqual(problemsOf(own)[1], [at('gone'), undefined]);
  });

  test('are given up where two daemons in a row end over one of them, and the others are mounted', async () => {
    await using node = await nydusNode();
    await using own = await node.open();
    await mountAll(own, node, 'c1', 'deadly', 'c3');
    await block((await node.imageOf('deadly')).source);
    for (const _ of [1, 2]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await own.replaceDaemon();
      // oxlint-disable-next-line no-await-in-loop -- as above
      await isBlocked(own);
    }
    await own.replaceDaemon();
    await own.share.ready;
    assert.deepEqual(await own.mounted(), [at('c1'), at('c3')]);
    const [, [mountpoint, problem] = []] = problemsOf(own);
    assert.equal(mountpoint, at('deadly'));
    assert.match(
      problem ?? '',
      /^Given up after 2 daemons that did not answer any more: nydusd does not answer on its API socket "\S+" \(.*\): /,
    );
    assert.equal(own.share.status().restarts, 3);
    await own.host.sandboxes.delete('default', 'a');
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('are as they were where it ended in the midst of a mount and an unmount, which both fail', async () => {
    await using node = await nydusNode();
    await using own = await node.open();
    await mountAll(own, node, 'c1');
    const slow = await node.imageOf('slow');
    await block(slow.source);
    const mounting = own.sandbox.mount('work', slow);
    await isBlocked(own);
    const unmounting = own.sandbox.unmount('work', at('c1'));
    const failures = Promise.all(
      [mounting, unmounting].map((call) =>
        assert.rejects(call, {
          name: 'StatusError',
          code: Code.Unavailable,
          message: /^nydusd does not answer on its API socket ".*" \(/,
        }),
      ),
    );
    await own.replaceDaemon();
    await failures;
    await own.share.ready;
    assert.deepEqual(await own.mounted(), [at('c1')]);
    assert.deepEqual(problemsOf(own), [[at('c1'), undefined]]);
    await own.sandbox.unmount('work', at('c1'));
    assert.deepEqual([await own.mounted(), node.record().mounts], [[], []]);
  });

  test('hold up no closing while they are mounted again', async () => {
    await using node = await nydusNode();
    await using own = await node.open();
    await mountAll(own, node, 'slow', 'c1');
    await block((await node.imageOf('slow')).source);
    await own.replaceDaemon();
    await isBlocked(own);
    assert.equal(own.share.status().state, 'starting');
    await own.host.sandboxes.delete('default', 'a');
    assert.equal(isGone(own.share.pid), true);
    assert.deepEqual(await leftovers(node.state), []);
  });
});
