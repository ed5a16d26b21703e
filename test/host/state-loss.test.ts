import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { serve } from '../../src/services/serve.ts';
import { openStateDirectory } from '../../src/share/state-directory.ts';
import { eventually } from '../harness/eventually.ts';
import { isGone } from '../harness/leftovers.ts';
import { openTestHost } from '../harness/test-host.ts';

const HOST_FILES = ['host.sock', 'host.address', 'host.pid'];
const said = 'The state directory has been replaced or removed: this host opens no share any more; end it';

describe('a host whose state directory is replaced', () => {
  test('removes nothing of the host that has the new one', async () => {
    await using former = await openTestHost();
    const serving = await serve(former.host);
    const share = await former.host.openShare({ sandboxId: 'a', tag: 'x' });
    renameSync(former.state, join(former.path, 'moved'));
    {
      await using next = await openTestHost({ config: { state: former.state } });
      await using _ = await serve(next.host);
      const theirs = await next.host.openShare({ sandboxId: 'a', tag: 'x' });
      const record = next.host.stateDir.share('default', 'a', 'x').record;
      const texts = HOST_FILES.slice(1).map((name) => readFileSync(join(former.state, name), 'utf8'));
      await share[Symbol.asyncDispose]();
      assert.equal(isGone(share.pid), true);
      serving.hide();
      serving.announce();
      await serving[Symbol.asyncDispose]();
      assert.deepEqual(
        HOST_FILES.map((name) => existsSync(join(former.state, name))),
        [true, true, true],
      );
      assert.deepEqual(
        HOST_FILES.slice(1).map((name) => readFileSync(join(former.state, name), 'utf8')),
        texts,
      );
      assert.equal(existsSync(record), true);
      assert.equal(existsSync(theirs.socketPath), true);
      assert.equal(isGone(theirs.pid), false);
    }
  });

  for (const way of ['replaced', 'removed']) {
    test(`says so once, and opens nothing in what is there now: ${way}`, async () => {
      await using own = await openTestHost();
      renameSync(own.state, join(own.path, 'moved'));
      if (way === 'replaced') mkdirSync(own.state);
      await eventually('it is said', () => own.captured.withMessage(said).length > 0);
      await assert.rejects(own.host.openShare({ sandboxId: 'a', tag: 'x' }), {
        code: Code.FailedPrecondition,
        message: `The state directory "${own.state}" has been replaced or removed: end this host and start another`,
      });
      assert.deepEqual(existsSync(own.state) ? readdirSync(own.state) : [], []);
      assert.equal(own.captured.withMessage(said).length, 1);
    });
  }

  test('carries out no deletion that another host is asked for', async () => {
    await using own = await openTestHost();
    const moved = join(own.path, 'moved');
    renameSync(own.state, moved);
    const stateDir = openStateDirectory(own.state);
    const { directory, output } = stateDir.share('default', 'a', 'x');
    mkdirSync(directory, { recursive: true });
    writeFileSync(output, '');
    writeFileSync(stateDir.deletion('default', 'a'), '');
    // Wakes the host, which still watches the directory that it opened.
    const witness = join(moved, 'deletions', 'witness');
    writeFileSync(witness, '');
    rmSync(witness);
    await eventually('it has looked', () => own.captured.withMessage(said).length > 0);
    assert.equal(existsSync(output), true);
    assert.equal(existsSync(stateDir.deletion('default', 'a')), true);
  });
});

describe('Serving.hide()', () => {
  test('leaves files alone that another process has written', async () => {
    await using own = await openTestHost();
    await using serving = await serve(own.host);
    const { address, pid } = own.host.stateDir.host;
    rmSync(address);
    writeFileSync(address, '/another/address\n');
    serving.hide();
    assert.equal(readFileSync(address, 'utf8'), '/another/address\n');
    assert.equal(existsSync(pid), false);
  });
});
