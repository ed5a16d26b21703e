import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { openGroupGauge } from '../../src/proc/group-gauge.ts';
import { openGauge } from '../../src/proc/gauge.ts';
import { eventually } from '../harness/eventually.ts';
import { isGone } from '../harness/leftovers.ts';
import { openFilesOf } from '../harness/open-files.ts';

/** A shell that does what its standard input says. Disposal ends it, and waits. */
function shell(): { pid: number; tell: (line: string) => void } & AsyncDisposable {
  const subprocess = execa('sh', { reject: false, stdout: 'ignore' });
  const { stdin } = subprocess;
  return {
    pid: subprocess.pid ?? 0,
    tell: (line) => void stdin?.write(`${line}\n`),
    async [Symbol.asyncDispose]() {
      stdin?.end();
      await subprocess;
    },
  };
}

describe('openGauge()', () => {
  test('measures processor time, memory and storage as the kernel counts them', async () => {
    await using own = shell();
    using gauge = openGauge(own.pid);
    // Who has only just executed has no memory yet.
    await eventually('it has memory of both kinds', () => {
      const { anonBytes = 0, fileBytes = 0 } = gauge?.read() ?? {};
      return anonBytes > 0 && fileBytes > 0;
    });
    const before = gauge?.read();
    assert.ok(before);
    // A builtin, so that it is the shell itself that works.
    own.tell('while :; do :; done');
    await eventually('it has used a second', () => (gauge?.read()?.userTicks ?? 0) >= before.userTicks + 100);
    const resident = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${own.pid}/status`, 'utf8'))?.[1];
    const { anonBytes = 0, fileBytes = 0 } = gauge?.read() ?? {};
    const difference = anonBytes + fileBytes - Number(resident) * 1024;
    assert.ok(Math.abs(difference) < 1 << 20, `${difference} bytes off`);
    process.kill(own.pid, 'SIGKILL');
  });

  test('is undefined for a process that is gone, before or after', async () => {
    const own = shell();
    using gauge = openGauge(own.pid);
    assert.ok(gauge?.read());
    await own[Symbol.asyncDispose]();
    assert.equal(gauge?.read(), undefined);
    assert.equal(openGauge(own.pid), undefined);
    assert.equal(openFilesOf(own.pid).length, 3);
  });
});

describe('openGroupGauge()', () => {
  test('measures the children that there are, opens each file once and closes it with the child or at the end', async () => {
    await using own = shell();
    const gauge = openGroupGauge(own.pid);
    assert.equal(gauge.read().length, 1);
    own.tell('sleep 600 & sleep 600 &');
    await eventually('both are measured', () => gauge.read().length === 3);
    const children = readFileSync(`/proc/${own.pid}/task/${own.pid}/children`, 'utf8').trim().split(' ');
    const pids = children.map(Number);
    const files = [own.pid, ...pids].flatMap(openFilesOf);
    assert.equal(files.length, 10);
    for (let round = 0; round < 50; round++) gauge.read();
    assert.deepEqual([own.pid, ...pids].flatMap(openFilesOf), files);

    const [first = 0, second = 0] = pids;
    process.kill(first, 'SIGKILL');
    own.tell(`wait ${first}`);
    await eventually('one is gone', () => isGone(first));
    await eventually('it is not measured', () => gauge.read().length === 2);
    assert.deepEqual(openFilesOf(first), []);
    assert.equal(openFilesOf(second).length, 3);
    gauge[Symbol.dispose]();
    assert.deepEqual([own.pid, second].flatMap(openFilesOf), []);
    assert.deepEqual(gauge.read(), []);
    assert.deepEqual([own.pid, second].flatMap(openFilesOf), []);
    process.kill(second, 'SIGKILL');
  });

  test('is empty for a process that is gone', () => {
    using gauge = openGroupGauge(2 ** 22 + 1);
    assert.deepEqual(gauge.read(), []);
  });

  test('throws for want of descriptors, and then has none', async () => {
    const program = `
import { readdirSync } from 'node:fs';
import { openGroupGauge } from '${new URL('../../src/proc/group-gauge.ts', import.meta.url).href}';
import { createMeter } from '${new URL('../../src/services/metrics.ts', import.meta.url).href}';
const share = { pid: process.pid, closed: new Promise(() => {}) };
const openFiles = () => readdirSync('/proc/self/fd').length;
const problemOf = (action) => { try { action(); } catch ({ code, message }) { return { code, message }; } };
const held = [];
let problem;
while (!problem) problem = problemOf(() => held.push(openGroupGauge(process.pid)));
const metrics = problemOf(() => createMeter()({ sandboxId: 'sb', shares: [share] }));
// One is in the way of the directory that is read here.
held.pop()[Symbol.dispose]();
const before = openFiles();
held.push(openGroupGauge(process.pid));
for (let round = 0; round < 9; round++) problemOf(() => openGroupGauge(process.pid));
held.pop()[Symbol.dispose]();
console.log(JSON.stringify({ code: problem.code, metrics, leaked: openFiles() - before }));
process.exit();`;
    const node = [process.execPath, '--input-type=module', '--eval', program];
    const { stdout } = await execa('prlimit', ['--nofile=128:128', ...node]);
    const message =
      'Cannot measure sandbox "sb": EMFILE: too many open files, open \'/proc/PID/task/PID/children\'';
    assert.deepEqual(JSON.parse(stdout.replaceAll(/\/proc\/\d+\/task\/\d+/g, '/proc/PID/task/PID')), {
      code: 'EMFILE',
      // containerd leaves out a pod that answers so, and no other.
      metrics: { code: Code.Unavailable, message },
      leaked: 0,
    });
  });
});
