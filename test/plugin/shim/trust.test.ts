import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { identify } from '../../../src/proc/stat.ts';
import { executable } from '../../harness/fixtures.ts';
import { shells, shimPlace, type Executed, type ShimPlace } from './shim-place.ts';

// Another user's files need root.

const OTHER = 65_534;
const PRECIOUS = 'precious\n';

/** A file outside the state that nobody may touch. */
function makeVictim({ path }: ShimPlace): { victim: string; assertUntouched: () => void } {
  const victim = join(path, 'victim');
  writeFileSync(victim, PRECIOUS);
  const { mtimeMs } = statSync(victim);
  return {
    victim,
    assertUntouched: () => {
      assert.equal(readFileSync(victim, 'utf8'), PRECIOUS);
      assert.equal(statSync(victim).mtimeMs, mtimeMs);
    },
  };
}

const assertRefused = ({ code, stdout, stderr }: Executed, reason: string): void =>
  assert.deepEqual(
    { code, stdout, stderr },
    {
      code: 1,
      stdout: '',
      stderr: `containerd-shim-virtiofs-v1: ${reason}\n`,
    },
  );

for (const shell of shells) {
  describe(`containerd-shim-virtiofs-v1 in ${shell[0]}`, () => {
    for (const name of ['last-start', 'start.lock', 'host.lock', 'host.log', 'host.pid', 'host.address']) {
      test(`writes to no file that a link names: ${name}`, async () => {
        await using place = await shimPlace({ shell });
        const { victim, assertUntouched } = makeVictim(place);
        mkdirSync(place.state);
        symlinkSync(victim, join(place.state, name));
        const reason = `cannot trust "${join(place.state, name)}": it is a symbolic link: remove it`;
        assertRefused(await place.start('sb'), reason);
        mkdirSync(join(place.state, 'sandboxes/default/sb'), { recursive: true });
        assertRefused(await place.delete('sb'), reason);
        assertUntouched();
      });
    }

    test("does not touch another user's state, whatever process stands there as its host", async () => {
      await using place = await shimPlace({ shell });
      const { victim, assertUntouched } = makeVictim(place);
      mkdirSync(join(place.state, 'sandboxes/default/sb'), { recursive: true });
      const self = identify(process.pid);
      writeFileSync(join(place.state, 'host.pid'), `${process.pid} ${self?.startTime}\n`);
      symlinkSync(victim, join(place.state, 'last-start'));
      for (const path of ['', 'host.pid']) chownSync(join(place.state, path), OTHER, OTHER);
      lchownSync(join(place.state, 'last-start'), OTHER, OTHER);
      const reason = `cannot trust "${place.state}": it belongs to another user: change its owner, or use another state`;
      assertRefused(await place.start('sb'), reason);
      assertRefused(await place.delete('sb'), reason);
      assertUntouched();
    });

    test('does not touch a state that others can write to', async () => {
      await using place = await shimPlace({ shell });
      mkdirSync(place.state);
      for (const mode of [0o770, 0o707, 0o1777]) {
        chmodSync(place.state, mode);
        // oxlint-disable-next-line no-await-in-loop -- three
        const executed = await place.start('sb');
        const remedy = 'it can be written to by others: take that from them (chmod go-w)';
        assertRefused(executed, `cannot trust "${place.state}": ${remedy}`);
      }
    });

    test('knows a process by its start time, whatever its name holds', async () => {
      await using place = await shimPlace({ shell });
      const program = await executable(join(place.path, 'a\n) Z 1 (\nb'), '#!/bin/sh\nread line\n');
      const child = spawn(program, { stdio: ['pipe', 'ignore', 'ignore'] });
      try {
        const { pid, startTime } = identify(child.pid ?? 0) ?? assert.fail('it has ended already');
        mkdirSync(place.state, { mode: 0o700 });
        writeFileSync(join(place.state, 'host.pid'), `${pid} ${startTime}\n`);
        const noAddress = `the host in "${place.state}" serves no address yet; see "${place.state}/host.log"`;
        assertRefused(await place.start('sb'), noAddress);
        writeFileSync(join(place.state, 'host.pid'), `${pid} ${startTime + 1}\n`);
        const { code, stderr } = await place.start('sb');
        assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
        assert.equal((await place.hosts()).length, 1);
      } finally {
        child.stdin.end();
        await once(child, 'exit');
      }
    });
  });
}

test('containerd-shim-virtiofs-v1 start says what the host has against what leads to the state', async () => {
  await using place = await shimPlace();
  const parent = join(place.path, 'parent');
  mkdirSync(join(parent, 'state'), { recursive: true });
  chmodSync(parent, 0o777);
  const { code, stderr } = await place.start('sb', {
    env: { CONTAINERD_SHIM_VIRTIOFS_STATE: join(parent, 'state') },
  });
  assert.equal(code, 1);
  assert.equal(
    stderr.includes(`cannot start the host: Cannot trust "${parent}": it can be written to by others`),
    true,
    stderr,
  );
});
