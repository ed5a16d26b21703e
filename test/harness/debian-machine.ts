import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { obtain } from '../setup/obtain.ts';
import { makeMachineCgroup } from './machine-cgroup.ts';
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
 * systemd, which a process of its own tells to end at once (SIGRTMIN+14). Of this machine it gets no terminal, no device but
 * the harmless ones, and no kernel to set up.
 */
const SYSTEMD = `mount -t tmpfs tmp /tmp
mount -t tmpfs -o mode=755 dev /dev
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 kmsg:1:11 fuse:10:229; do
  IFS=: read -r name major minor <<<"$node"; mknod -m 666 /dev/$name c $major $minor
done
mkdir /dev/pts /dev/shm; mount -t devpts devpts /dev/pts; mount -t tmpfs shm /dev/shm
mount --bind -o ro /proc/sys /proc/sys
ln -s /dev/null /etc/systemd/system/getty.target
{ while read -r _; do :; done; kill -48 1; } <&0 &
echo ready
exec env -i container=test PATH="$PATH" setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio \\
  /lib/systemd/systemd --system --unit=multi-user.target </dev/null >/dev/null`;

/** Some units of Debian's fail where there is no hardware; ours are asked for by name. */
const UNTIL_STARTED = `until [ -S /run/systemd/private ]; do sleep 0.1; done
systemctl is-system-running --wait | grep -E '^(running|degraded)$'`;

/**
 * A Debian of a test's own, in mount, process and network namespaces of its own: nothing that it writes, runs, mounts or
 * listens at is there after its disposal. Needs root.
 */
export interface DebianMachine extends AsyncDisposable {
  /** Runs a script to its end and resolves to all that it printed. @throws Error with that where it fails */
  sh(script: string, environment?: Readonly<Record<string, string>>): Promise<string>;
}

/** Options of {@link startDebianMachine}. */
export interface DebianMachineOptions {
  /** Directories of this machine, by the paths at which they are seen there, read-only. @default none */
  readonly show?: Readonly<Record<string, string>>;
  /** Runs systemd, and returns when it has started. @default nothing runs but a shell */
  readonly systemd?: boolean;
}

/** Starts a bare Debian that has its own virtiofsd and no network. */
export async function startDebianMachine(
  suite: DebianSuite,
  { show = {}, systemd = false }: DebianMachineOptions = {},
): Promise<DebianMachine> {
  const system = await obtain(`debian-${suite}`);
  await using stack = new AsyncDisposableStack();
  const cgroup = systemd ? stack.use(makeMachineCgroup()) : undefined;
  const options = [
    '--discard',
    '--offline',
    ...(cgroup ? ['--cgroup', cgroup.path] : []),
    ...Object.entries(show).flatMap(([path, source]) => ['--bind', `${source}:${path}`]),
  ];
  const command = ['bash', '-c', systemd ? SYSTEMD : INIT];
  const init = execa(SCRIPT, ['enter', ...options, system, '/', ...command], { reject: false });
  stack.defer(async () => {
    init.stdin.end();
    await init;
  });
  const first = await init.iterable()[Symbol.asyncIterator]().next();
  if (first.done) throw new Error(`Cannot start a Debian ${suite}: ${(await init).stderr}`);
  // What unshare(1) has forked; it waits for it.
  const inside = (await readFile(`/proc/${init.pid}/task/${init.pid}/children`, 'utf8')).trim();
  const enter = ['--target', inside, '--mount', '--pid', '--net', '--root', '--wd', '--'];
  const sh: DebianMachine['sh'] = async (script, environment = {}) => {
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
  };
  if (systemd) await sh(UNTIL_STARTED);
  const own = stack.move();
  return { sh, [Symbol.asyncDispose]: () => own.disposeAsync() };
}
