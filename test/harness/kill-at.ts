import childProcess, { type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { Server } from 'node:net';

// A preload (`--import`) that kills its process before the N-th of the steps by which it changes something outside: in
// the file system, of processes, of sockets. N stands in the file that KILL_AT names, from when that is there; with
// "late" behind it, what the process has begun before goes on a while. The step is told in a file beside.

const NAMES = ['mkdirSync', 'writeFileSync', 'renameSync', 'rmSync', 'unlinkSync', 'rmdirSync', 'chmodSync'];
const MORE_NAMES = ['chownSync', 'ftruncateSync'];
/** What children do in that time is done, in milliseconds. */
const LATE_MS = 60;

const file = process.env['KILL_AT'] ?? '';
const { readFileSync, writeFileSync } = fs;
const kill = process.kill.bind(process);
let steps = 0;

type Anything = (...args: unknown[]) => unknown;
const functions = fs as unknown as Record<string, Anything>;
for (const name of [...NAMES, ...MORE_NAMES]) wrap(functions, name);
wrap(functions, 'openSync', ([, flags]) => typeof flags === 'string' && flags !== 'r');
for (const name of ['rmdir', 'rm', 'rename', 'mkdir', 'writeFile'])
  wrap(fs.promises as unknown as Record<string, Anything>, name);
wrap(process as unknown as Record<string, Anything>, 'kill', ([, signal]) => signal !== 0);
wrap(Server.prototype as unknown as Record<string, Anything>, 'listen');
const spawn = childProcess.spawn as Anything;
childProcess.spawn = ((...args: unknown[]) => {
  step('spawn', args);
  const child = spawn(...args) as ChildProcess;
  wrap(child as unknown as Record<string, Anything>, 'kill');
  for (const name of ['write', 'end']) if (child.stdin) wrap(child.stdin as never, name);
  return child;
}) as typeof childProcess.spawn;
syncBuiltinESMExports();

function wrap(
  owner: Record<string, Anything>,
  name: string,
  isStep: (args: unknown[]) => boolean = () => true,
): void {
  const original = owner[name];
  if (!original) throw new Error(`There is no ${name}`);
  owner[name] = function wrapped(this: unknown, ...args: unknown[]) {
    if (isStep(args)) step(name, args);
    return original.apply(this, args);
  };
}

function step(name: string, args: readonly unknown[]): void {
  const [at, isLate] = wish();
  if (at === 0) {
    steps = 0;
    return;
  }
  steps++;
  if (steps !== at) return;
  writeFileSync(`${file}.step`, `${name} ${words(args)}`);
  if (isLate) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LATE_MS);
  kill(process.pid, 'SIGKILL');
  // The signal comes at the latest when this process waits.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

const words = (args: readonly unknown[]): string =>
  args
    .flat()
    .filter((arg) => typeof arg === 'string' || typeof arg === 'number')
    .join(' ');

function wish(): [at: number, isLate: boolean] {
  try {
    const [at, late] = readFileSync(file, 'utf8').split(' ');
    return [Number(at), late === 'late'];
  } catch {
    return [0, false];
  }
}
