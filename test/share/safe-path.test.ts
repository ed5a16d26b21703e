import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { requireSafePath } from '../../src/share/safe-path.ts';
import { openStateDirectory } from '../../src/share/state-directory.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

// Another user's files need root.

const OTHER = 65_534;

const refusal = (path: string, problem: string): object => ({
  name: 'StatusError',
  code: Code.FailedPrecondition,
  message: `Cannot trust "${path}": it ${problem}`,
});

const FOREIGN = `belongs to user ${OTHER}: change its owner, or use another state directory`;
const WRITABLE =
  'can be written to by others: take that from them (chmod go-w), or use another state directory';

describe('openStateDirectory()', () => {
  for (const [what, spoil, problem] of [
    ['is of another user', (path: string) => chownSync(path, OTHER, OTHER), FOREIGN],
    ['can be written to by its group', (path: string) => chmodSync(path, 0o770), WRITABLE],
    ['can be written to by all, sticky or not', (path: string) => chmodSync(path, 0o1777), WRITABLE],
  ] as const) {
    test(`refuses a directory or a folder of it that ${what}, and makes nothing there`, async () => {
      for (const folder of ['', 's', 'sandboxes', 'shared', 'trash', 'deletions']) {
        await using directory = await temporaryDirectory();
        const state = join(directory.path, 'state');
        mkdirSync(join(state, folder), { recursive: true });
        spoil(join(state, folder));
        assert.throws(() => openStateDirectory(state), refusal(join(state, folder), problem));
        assert.equal(existsSync(join(state, 'host.lock')), false);
      }
    });
  }

  test('refuses parents that others can change, and makes nothing there', async () => {
    await using directory = await temporaryDirectory();
    const parent = join(directory.path, 'parent');
    mkdirSync(join(parent, 'deep'), { recursive: true });
    chmodSync(parent, 0o777);
    assert.throws(() => openStateDirectory(join(parent, 'deep', 'state')), refusal(parent, WRITABLE));
    chmodSync(parent, 0o755);
    chownSync(parent, OTHER, OTHER);
    assert.throws(() => openStateDirectory(join(parent, 'deep', 'state')), refusal(parent, FOREIGN));
    assert.deepEqual(readdirSync(join(parent, 'deep')), []);
  });

  test('refuses files and folders of ours that are links, and touches nothing that they name', async () => {
    for (const name of [
      'host.lock',
      'host.log',
      'host.pid',
      'host.address',
      'last-start',
      'start.lock',
      's',
    ]) {
      await using directory = await temporaryDirectory();
      const state = join(directory.path, 'state');
      const victim = join(directory.path, 'victim');
      mkdirSync(state);
      symlinkSync(victim, join(state, name));
      if (name === 's') mkdirSync(victim);
      assert.throws(
        () => openStateDirectory(state),
        refusal(join(state, name), 'is a symbolic link: remove it'),
      );
      assert.deepEqual(existsSync(victim) ? readdirSync(victim) : [], []);
    }
  });

  test("refuses another user's file under a name of ours", async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    mkdirSync(state);
    const lock = join(state, 'host.lock');
    writeFileSync(lock, '');
    chownSync(lock, OTHER, OTHER);
    assert.throws(() => openStateDirectory(state), refusal(lock, FOREIGN));
  });
});

describe('requireSafePath()', () => {
  test('takes links of ours, sticky directories and what does not exist', async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    mkdirSync(join(path, 'real'));
    mkdirSync(join(path, 'sticky', 'own'), { recursive: true });
    chmodSync(join(path, 'sticky'), 0o1777);
    symlinkSync('real', join(path, 'link'));
    for (const name of ['link/x', 'sticky/own', 'missing/x']) requireSafePath(join(path, name));
  });

  test('follows links to where they lead, and takes none of another user', async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const open = join(path, 'open');
    mkdirSync(join(open, 'in'), { recursive: true });
    chmodSync(open, 0o777);
    for (const [name, target] of [
      ['absolute', join(open, 'in')],
      ['relative', 'open/in'],
      ['twice', 'relative'],
    ] as const) {
      symlinkSync(target, join(path, name));
      assert.throws(() => requireSafePath(join(path, name, 'state')), refusal(open, WRITABLE));
    }
    const link = join(path, 'theirs');
    symlinkSync('/', link);
    lchownSync(link, OTHER, OTHER);
    assert.throws(() => requireSafePath(join(link, 'run')), refusal(link, FOREIGN));
  });
});
