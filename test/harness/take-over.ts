import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { eventually } from './eventually.ts';
import { executable, fixture } from './fixtures.ts';
import { lockHolder } from './lock-holder.ts';
import { pidOnRecord, startServe, type ServeProcess } from './serve-process.ts';
import { connectShares } from './share-client.ts';
import { SHIM_VIRTIOFS, type Ended } from './shim-virtiofs.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A host that is still there then has taken over, in milliseconds. */
const SERVES_MS = 120_000;

type ServeOptions = Parameters<typeof startServe>[1];

/** A state directory that hosts take over from one another. */
export interface Node extends AsyncDisposable {
  readonly path: string;
  readonly state: string;
  readonly source: string;
  readonly config: string;
  start(options?: Partial<ServeOptions>): Promise<ServeProcess>;
  /** Starts one that takes over, and resolves when callers find it, before the other one has let go. */
  follow(options?: Partial<ServeOptions>): Promise<ServeProcess>;
  /** Runs one to its end that cannot take over. */
  fail(...args: string[]): Promise<Ended>;
}

export async function openNode(options: ServeOptions = { daemon: fixture('waits') }): Promise<Node> {
  const directory = await temporaryDirectory();
  const { path } = directory;
  const [state, source, config] = ['state', 'source', 'config.toml'].map((each) => join(path, each));
  assert.ok(state && source && config);
  await mkdir(source);
  return {
    path,
    state,
    source,
    config,
    start: (more) => startServe(path, { ...options, ...more }),
    follow: (more) => startServe(path, { ...options, ...more, args: ['--take-over', ...(more?.args ?? [])] }),
    fail: (...args) =>
      execa(
        process.execPath,
        ['--no-warnings', SHIM_VIRTIOFS, 'serve', '--take-over', '--config', config, ...args],
        { reject: false, timeout: SERVES_MS },
      ),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

export const ended = (host: ServeProcess): Promise<number | string | undefined> => host.end('SIGCONT');

export const outputOf = (host: ServeProcess): string => host.output.join('\n');

/** Asserts that a host serves as if nobody had asked it to hand over, on old connections and on new ones. */
export async function assertServes(host: ServeProcess, { state }: Node): Promise<void> {
  assert.equal((await host.shares.version({})).pid, host.pid);
  assert.equal(pidOnRecord(state), host.pid);
  await using another = await connectShares((await readFile(join(state, 'host.address'), 'utf8')).trim());
  assert.equal((await another.client.version({})).pid, host.pid);
  assert.notEqual(lockHolder(join(state, 'host.lock')), undefined);
}

/** A daemon that is ready once a file is there. */
export async function slowDaemon(directory: string): Promise<{ daemon: string; finish: () => void }> {
  const go = join(directory, 'go');
  const script = `#!/bin/sh\nwhile [ ! -e '${go}' ]; do [ -d '${directory}' ] || exit; sleep 0.02; done\nexec '${fixture('waits')}'\n`;
  return {
    daemon: await executable(join(directory, 'slow'), script),
    finish: () => writeFileSync(go, ''),
  };
}

/** What a call ended with, once it has. */
export function followCall<T>(call: Promise<T>): {
  result: () => T | Error | undefined;
  settled: Promise<T | Error>;
} {
  let result: T | Error | undefined;
  const settled = call.catch((error: unknown) => error as Error).then((value) => (result = value));
  return { result: () => result, settled };
}

/** Resolves when the share `work` of a sandbox is being opened. */
export const whenBegun = (state: string, sandboxId: string): Promise<void> =>
  eventually('it is being opened', () => existsSync(join(state, 'sandboxes/default', sandboxId, 'work')));
