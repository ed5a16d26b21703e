import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { bindMount, type Bind } from '../../src/mount/bind.ts';
import { ensurePropagation, propagationOf, releasePropagation } from '../../src/mount/propagation.ts';
import { unmount, unmountAll } from '../../src/mount/unmount.ts';
import { listMounts, mountsBeneath } from '../../src/proc/mountinfo.ts';
import { hungFileSystem } from '../harness/hung-file-system.ts';
import { mountedTree } from '../harness/mounted-tree.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { withPrograms } from '../harness/with-programs.ts';

// Needs root.

const REAL_MOUNT = execFileSync('sh', ['-c', 'command -v mount'], { encoding: 'utf8' }).trim();

interface MountPlace extends AsyncDisposable {
  readonly shared: string;
  readonly staging: string;
  bindOf(bind: Pick<Bind, 'source'> & Partial<Bind>): Bind;
}

/** Two directories, one that passes mounts on and one that does not; disposal fails where something is mounted yet. */
async function mountPlace(): Promise<MountPlace> {
  const directory = await temporaryDirectory();
  const [shared, staging] = ['shared', 'staging'].map((name) => join(directory.path, name)) as [
    string,
    string,
  ];
  for (const path of [shared, staging]) mkdirSync(path);
  await ensurePropagation(shared, 'shared');
  await ensurePropagation(staging, 'private');
  return {
    shared,
    staging,
    bindOf: (bind) => ({
      isDirectory: true,
      isRecursive: true,
      readOnly: false,
      target: join(shared, 'target'),
      stage: join(staging, 'stage'),
      ...bind,
    }),
    async [Symbol.asyncDispose]() {
      for (const path of [shared, staging]) await releasePropagation(path);
      assert.deepEqual(mountsBeneath(directory.path), []);
      await directory[Symbol.asyncDispose]();
    },
  };
}

const optionsOf = (directory: string): [string, string][] =>
  listMounts()
    .filter(({ mountpoint }) => mountpoint.startsWith(directory))
    .map(({ mountpoint, options }) => [mountpoint.slice(directory.length), options[0] ?? '']);

const peerGroupsOf = (directory: string): Set<string> =>
  new Set(
    listMounts()
      .filter(({ mountpoint }) => mountpoint.startsWith(directory))
      .flatMap(({ peerGroup }) => peerGroup ?? []),
  );

describe('bindMount()', () => {
  test('mounts a tree that is read-only throughout, keeps its flags, and has no peer in the source', async () => {
    await using tree = await mountedTree();
    execFileSync('mount', ['-o', 'remount,nosuid,noexec', tree.below]);
    await using place = await mountPlace();
    const bind = place.bindOf({ source: tree.path, readOnly: true });
    await bindMount(bind, {});
    assert.deepEqual(optionsOf(bind.target), [
      ['', 'ro'],
      ['/below', 'ro'],
    ]);
    const flags = listMounts().find(({ mountpoint }) => mountpoint === join(bind.target, 'below'))?.options;
    assert.deepEqual([flags?.includes('nosuid'), flags?.includes('noexec')], [true, true]);
    assert.deepEqual(peerGroupsOf(bind.target).intersection(peerGroupsOf(tree.path)), new Set());
    assert.deepEqual(readdirSync(place.staging), []);
    assert.throws(() => writeFileSync(join(bind.target, 'below/x'), ''), { code: 'EROFS' });
    writeFileSync(join(tree.below, 'x'), '');
    assert.deepEqual(await unmount(bind.target, {}), { isInUse: false });
    assert.equal(mountsBeneath(tree.path).length, 2);
  });

  test('shows nothing that is mounted in the source later', async () => {
    await using tree = await mountedTree();
    await using place = await mountPlace();
    const bind = place.bindOf({ source: tree.path, readOnly: true });
    await bindMount(bind, {});
    const later = join(tree.path, 'later');
    mkdirSync(later);
    execFileSync('mount', ['-t', 'tmpfs', 'csv-later', later]);
    try {
      assert.deepEqual(
        optionsOf(bind.target).map(([path]) => path),
        ['', '/below'],
      );
    } finally {
      execFileSync('umount', [later]);
    }
    await unmountAll([bind.target]);
    assert.equal(mountsBeneath(tree.path).length, 2);
  });

  test('mounts one level alone where it is asked to, and a file', async () => {
    await using tree = await mountedTree();
    await using place = await mountPlace();
    writeFileSync(join(tree.path, 'file'), 'content');
    const file = place.bindOf({
      source: join(tree.path, 'file'),
      isDirectory: false,
      target: join(place.shared, 'file'),
    });
    const level = place.bindOf({ source: tree.path, isRecursive: false });
    await bindMount(file, {});
    await bindMount(level, {});
    assert.equal(readFileSync(file.target, 'utf8'), 'content');
    assert.deepEqual(optionsOf(level.target), [['', 'rw']]);
    await unmountAll([file.target, level.target]);
  });

  test('takes only a fresh target, and leaves what is there', async () => {
    await using tree = await mountedTree();
    await using place = await mountPlace();
    const bind = place.bindOf({ source: tree.path });
    for (const make of [mkdirSync, (path: string) => writeFileSync(path, '')]) {
      make(bind.target);
      await assert.rejects(bindMount(bind, {}), {
        code: Code.AlreadyExists,
        message: `Cannot mount at "${bind.target}": it exists: use another name`,
      });
      assert.equal(existsSync(bind.target), true);
      execFileSync('rm', ['-r', bind.target]);
    }
    assert.deepEqual(readdirSync(place.staging), []);
  });

  test('makes the mount on what it has made, wherever a guest has moved that, and takes it back', async () => {
    await using tree = await mountedTree();
    await using place = await mountPlace();
    await using victim = await temporaryDirectory();
    const bind = place.bindOf({ source: tree.path });
    const moved = join(place.shared, 'moved');
    const guest = `case "$1" in --move) mv '${bind.target}' '${moved}'; ln -s '${victim.path}' '${bind.target}';; esac`;
    await withPrograms({ mount: `${guest}\nexec ${REAL_MOUNT} "$@"` }, () =>
      assert.rejects(bindMount(bind, {}), {
        code: Code.Aborted,
        message: `Cannot mount at "${bind.target}": it was moved or removed meanwhile: use another name`,
      }),
    );
    assert.deepEqual(mountsBeneath(victim.path), []);
    assert.deepEqual(mountsBeneath(place.shared), [place.shared]);
    assert.deepEqual([readdirSync(place.staging), existsSync(moved)], [[], false]);
    assert.equal(mountsBeneath(tree.path).length, 2);
  });

  test('leaves nothing where mount(8) fails at any step, and says its words', async () => {
    await using tree = await mountedTree();
    await using place = await mountPlace();
    const bind = place.bindOf({ source: tree.path, readOnly: true });
    for (const step of ['--rbind', '--options', '--move']) {
      const script = `case "$1" in ${step}) echo no such luck >&2; exit 1;; esac\nexec ${REAL_MOUNT} "$@"`;
      await withPrograms({ mount: script }, () =>
        assert.rejects(bindMount(bind, {}), {
          code: Code.Unavailable,
          message: `Cannot mount "${bind.target}": no such luck`,
        }),
      );
      assert.deepEqual(mountsBeneath(place.shared), [place.shared], step);
      assert.deepEqual([readdirSync(place.staging), readdirSync(place.shared)], [[], []], step);
      assert.equal(mountsBeneath(tree.path).length, 2, step);
    }
  });

  test('gives a source up that hangs, after its time or by the signal', async () => {
    await using hung = await hungFileSystem();
    await using place = await mountPlace();
    const bind = place.bindOf({ source: join(hung.path, 'x') });
    await assert.rejects(bindMount(bind, { timeoutMs: 100 }), {
      code: Code.DeadlineExceeded,
      message: `Cannot mount "${bind.target}": no answer within 100 ms: its file system hangs: check its server`,
    });
    const cancel = new AbortController();
    const mounting = bindMount(bind, { signal: cancel.signal, timeoutMs: 600_000 });
    cancel.abort(new Error('enough'));
    await assert.rejects(mounting, { message: 'enough' });
    assert.deepEqual([readdirSync(place.staging), readdirSync(place.shared)], [[], []]);
  });
});

describe('unmount()', () => {
  test('takes away what hangs', async () => {
    await using hung = await hungFileSystem();
    await using place = await mountPlace();
    const bind = place.bindOf({ source: hung.path });
    await bindMount(bind, {});
    assert.equal(mountsBeneath(place.shared).includes(bind.target), true);
    await unmount(bind.target, {});
    assert.deepEqual(mountsBeneath(place.shared), [place.shared]);
  });

  test('says what is in use, which is out of reach by name from then on', async () => {
    await using tree = await mountedTree();
    await using place = await mountPlace();
    const bind = place.bindOf({ source: tree.path });
    await bindMount(bind, {});
    const former = process.cwd();
    process.chdir(bind.target);
    try {
      assert.deepEqual(await unmount(bind.target, {}), { isInUse: true });
      writeFileSync('still', '');
    } finally {
      process.chdir(former);
    }
    assert.equal(existsSync(join(tree.path, 'still')), true);
    assert.deepEqual(readdirSync(bind.target), []);
    assert.deepEqual(await unmount(bind.target, {}), { isInUse: false });
  });
});

describe('unmountAll()', () => {
  test("parts what somebody has mounted by hand from its source, and so leaves the source's own mounts", async () => {
    await using tree = await mountedTree();
    await using place = await mountPlace();
    const target = join(place.shared, 'by-hand');
    mkdirSync(target);
    execFileSync('mount', ['--rbind', tree.path, target]);
    await unmountAll([target]);
    assert.deepEqual(mountsBeneath(place.shared), [place.shared]);
    assert.equal(mountsBeneath(tree.path).length, 2);
  });
});

describe('ensurePropagation()', () => {
  test('mounts nothing where the directory does so already, and is taken back', async () => {
    await using tree = await mountedTree();
    const inside = join(tree.path, 'inside');
    mkdirSync(inside);
    await ensurePropagation(inside, 'shared');
    assert.deepEqual(mountsBeneath(inside), []);
    await ensurePropagation(inside, 'private');
    assert.deepEqual([mountsBeneath(inside), propagationOf(inside)], [[inside], 'private']);
    await ensurePropagation(inside, 'private');
    assert.deepEqual(mountsBeneath(inside), [inside]);
    await releasePropagation(inside);
    assert.deepEqual([mountsBeneath(inside), propagationOf(inside)], [[], 'shared']);
    await releasePropagation(inside);
  });
});
