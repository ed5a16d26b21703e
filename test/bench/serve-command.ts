import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** How a program is run, and with what configuration. */
export interface ServeCommand {
  /** What stands before `serve`. */
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** TOML behind the version and the directories. */
  readonly config: string;
}

/** A host that has announced itself. Disposal ends it, and waits for that. */
export interface AnnouncedHost extends AsyncDisposable {
  readonly address: string;
  /** From exec until then, in milliseconds. */
  readonly announcedIn: number;
  /** Its resident memory once it has nothing to do, in MiB. */
  residentMemory(): Promise<number>;
}

/** Until a host is at rest, in milliseconds. */
const SETTLE_MS = 500;

/** Starts `serve --announce` with a state of its own below `directory`. */
export async function startAnnounced(
  { command: [program, ...args], env = {}, config }: ServeCommand,
  directory: string,
): Promise<AnnouncedHost> {
  await using stack = new AsyncDisposableStack();
  const place = stack.use(await mkdtempDisposable(join(directory, 'host-')));
  const [state, file, log] = [
    join(place.path, 'state'),
    join(place.path, 'config.toml'),
    join(place.path, 'log'),
  ];
  await writeFile(file, `version = 1\nstate = "${state}"\nscratch_dir = "${state}"\n${config}`);
  const output = openSync(log, 'a');
  const begin = performance.now();
  const host = spawn(program, [...args, 'serve', '--announce', '--config', file], {
    stdio: ['ignore', output, output, 'pipe'],
    env: { PATH: process.env['PATH'], ...env },
  });
  stack.defer(() => end(host));
  closeSync(output);
  const address = await addressFrom(host);
  const announcedIn = performance.now() - begin;
  if (address === '') throw new Error(`The host did not start: ${await readFile(log, 'utf8')}`);
  const own = stack.move();
  return {
    address,
    announcedIn,
    async residentMemory() {
      await delay(SETTLE_MS);
      return residentMiB(host.pid ?? 0);
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

/** Empty where it ended before. */
async function addressFrom(host: ChildProcess): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const pipe = host.stdio[3] as NodeJS.ReadableStream;
  pipe.once('data', (line: Buffer) => resolve(line.toString().trim())).once('end', () => resolve(''));
  host.once('error', () => resolve(''));
  return promise;
}

async function end(host: ChildProcess): Promise<void> {
  if (host.exitCode !== null || host.signalCode !== null || !host.kill()) return;
  await once(host, 'exit');
}

/** Reads the resident memory of a process, in MiB. */
export async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}
