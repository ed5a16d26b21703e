import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { executable, fixture } from '../harness/fixtures.ts';
import { isGone } from '../harness/leftovers.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

/** What the fixture says. */
interface Outcome {
  readonly starts: readonly {
    readonly error?: string;
    readonly sockets: string[];
    readonly children: number;
  }[];
  readonly stopped: readonly string[];
}

describe('a process without descriptors', () => {
  test('starts a daemon or leaves nothing of it, however many are free, and stops one with none', async () => {
    await using directory = await temporaryDirectory();
    const { stdout } = await execa('prlimit', [
      '--nofile=80:80',
      process.execPath,
      '--no-warnings',
      fixture('out-of-descriptors.ts'),
      directory.path,
      fixture('waits'),
    ]);
    const { starts, stopped } = JSON.parse(stdout) as Outcome;
    for (const { sockets, children } of starts)
      assert.deepEqual({ sockets, children }, { sockets: [], children: 0 });
    const failed = starts.filter(({ error }) => error !== undefined);
    assert.equal(failed.length > 0, true);
    for (const { error } of failed) assert.match(error ?? '', /^(DaemonError|StatusError): /);
    assert.deepEqual(
      stopped,
      starts.filter(({ error }) => error === undefined).map(() => 'stopped'),
    );
  });
});

const starterUrl = new URL('../../src/daemon/pool/starter.ts', import.meta.url).href;

/** Starts a starter where /proc shows no process, and says which one it was, and the error. */
const WITHOUT_PROC = `
import { ChildProcess } from 'node:child_process';
import { openStarter } from ${JSON.stringify(starterUrl)};
const spawned = [];
const { spawn } = ChildProcess.prototype;
ChildProcess.prototype.spawn = function (options) {
  const result = spawn.call(this, options);
  spawned.push(this.pid);
  return result;
};
try {
  openStarter(process.argv[1]);
} catch ({ message }) {
  console.log(JSON.stringify({ spawned, message }));
}
`;

describe('openStarter()', () => {
  test('throws where nobody can tell which process it is, and leaves neither process nor socket; needs root', async () => {
    await using directory = await temporaryDirectory();
    const sockets = join(directory.path, 'sockets');
    mkdirSync(sockets);
    const run = await executable(
      join(directory.path, 'run'),
      '#!/bin/sh\nmount -t tmpfs csv-test /proc && exec "$@"\n',
    );
    const node = [process.execPath, '--no-warnings', '--input-type=module', '-e', WITHOUT_PROC, sockets];
    const { stdout } = await execa('unshare', ['-m', run, ...node]);
    const { spawned, message } = JSON.parse(stdout) as { spawned: number[]; message: string };
    assert.equal(message, 'Cannot start a process: it ended at once, or /proc does not show it');
    assert.deepEqual(spawned.map(isGone), [true]);
    assert.deepEqual(readdirSync(sockets), []);
  });
});
