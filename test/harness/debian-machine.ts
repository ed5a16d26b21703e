import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { obtain } from '../setup/obtain.ts';
import type { DebianSuite } from '../setup/parts/debian-system.ts';

const SCRIPT = join(import.meta.dirname, '../setup/debian-system.sh');

/** All of a program's environment there: of this machine's own tools nothing is in its PATH. */
const ENVIRONMENT = {
  HOME: '/root',
  LC_ALL: 'C.UTF-8',
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  TMPDIR: '/tmp',
};

/**
 * Ends with its standard input, and everything in its process namespace with it; a shell also buries orphans. What is
 * written to the system is an overlay, on which no other one can stand, as containerd's must.
 */
const INIT = 'mount -t tmpfs tmp /tmp; echo ready; while read -r _; do :; done';

/**
 * A Debian of a test's own, in mount, process and network namespaces of its own: nothing that it writes, runs, mounts or
 * listens at is there after its disposal. Needs root.
 */
export interface DebianMachine extends AsyncDisposable {
  /** Runs a script to its end and resolves to all that it printed. @throws Error with that where it fails */
  sh(script: string, environment?: Readonly<Record<string, string>>): Promise<string>;
}

/** Starts a bare Debian that has its own virtiofsd, no network, and these directories of this machine, read-only. */
export async function startDebianMachine(
  suite: DebianSuite,
  { show = {} }: { show?: Readonly<Record<string, string>> } = {},
): Promise<DebianMachine> {
  const system = await obtain(`debian-${suite}`);
  const binds = Object.entries(show).flatMap(([path, source]) => ['--bind', `${source}:${path}`]);
  const init = execa(SCRIPT, ['enter', '--discard', '--offline', ...binds, system, '/', 'bash', '-c', INIT], {
    reject: false,
  });
  const first = await init.iterable()[Symbol.asyncIterator]().next();
  if (first.done) throw new Error(`Cannot start a Debian ${suite}: ${(await init).stderr}`);
  // What unshare(1) has forked; it waits for it.
  const inside = (await readFile(`/proc/${init.pid}/task/${init.pid}/children`, 'utf8')).trim();
  const enter = ['--target', inside, '--mount', '--pid', '--net', '--root', '--wd', '--'];
  return {
    async sh(script, environment = {}) {
      const { all, failed } = await execa('nsenter', [...enter, 'bash', '-ec', script], {
        all: true,
        reject: false,
        stdin: 'ignore',
        cwd: '/',
        extendEnv: false,
        env: { ...ENVIRONMENT, ...environment },
      });
      if (failed) throw new Error(`In a Debian ${suite}: ${script}\n${all}`);
      return all;
    },
    async [Symbol.asyncDispose]() {
      init.stdin.end();
      await init;
    },
  };
}
