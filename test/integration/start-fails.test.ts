import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa, execaSync } from 'execa';
import { Code } from 'ttrpc-ts';
import type { Host } from '../../src/host/host.ts';
import { makeCgroup } from '../harness/cgroup.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { smallFileSystem } from '../harness/small-file-system.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { VIRTIOFS } from '../harness/test-host.ts';
import { tryToOpen, type Attempt, type TryOptions } from '../harness/try-to-open.ts';
import { realVirtiofsds, type RealVirtiofsd } from '../harness/virtiofsds.ts';

/** How a start fails, and what it says; paths stand as `<source>`, `<state>`, `<daemon>`. */
interface Failure {
  readonly what: string;
  /** @default both */
  readonly only?: 'c' | 'rust';
  /** Added to the plugin's table. */
  readonly table?: Record<string, unknown>;
  /** Below the test's directory. @default source */
  readonly source?: string;
  readonly signal?: AbortSignal;
  readonly spoil?: TryOptions['spoil'];
  /** Runs the host in a process of its own, started by this command. */
  readonly by?: readonly string[];
  /** As `by`, without room for any process once the host is open. */
  readonly withoutProcesses?: boolean;
  readonly error: { readonly name: string; readonly code?: Code; readonly message: RegExp };
  /** Of a daemon that had begun. */
  readonly exitCode?: { readonly c?: number; readonly rust?: number };
  readonly lastLine?: RegExp;
}

const say = (script: string): Record<string, unknown> => ({ virtio_fs_daemon: fixture(script) });
const status = (code: Code, message: RegExp): Failure['error'] => ({ name: 'StatusError', code, message });
const daemon = (message: RegExp, code: Code = Code.FailedPrecondition): Failure['error'] => ({
  name: 'DaemonError',
  code,
  message,
});

const withoutSockets = ({ stateDir }: Host): (() => void) => {
  rmSync(stateDir.socketDirectory, { recursive: true });
  return () => {
    mkdirSync(stateDir.socketDirectory);
  };
};
/** When a process already holds the next socket. */
const withoutSocketsLater = async (host: Host): Promise<() => void> => {
  await (await host.openShare({ sandboxId: 'first', tag: 'first' }))[Symbol.asyncDispose]();
  await eventually('the next is prepared', () => readdirSync(host.stateDir.socketDirectory).length > 0);
  return withoutSockets(host);
};
const readOnly = ({ stateDir: { path } }: Host): (() => void) => {
  execaSync('mount', ['--bind', path, path]);
  execaSync('mount', ['-o', 'remount,bind,ro', path]);
  return () => void execaSync('umount', ['--lazy', path]);
};
const withoutPrivileges = (...names: string[]): string[] => [
  'setpriv',
  `--bounding-set=${names.map((name) => `-${name}`).join(',')}`,
];
const gone = new Error('given up');

const FAILURES: readonly Failure[] = [
  {
    what: 'the daemon is missing',
    table: { virtio_fs_daemon: '/nonexistent/virtiofsd' },
    error: status(
      Code.NotFound,
      /^Cannot start share "work": virtiofsd daemon "\/nonexistent\/virtiofsd" does not exist: install virtiofsd, or set "virtio_fs_daemon" to where it is$/,
    ),
  },
  {
    what: 'the daemon is not executable',
    table: { virtio_fs_daemon: '<directory>/not-executable' },
    error: status(
      Code.PermissionDenied,
      /: virtiofsd daemon ".*" is not an executable file: set "virtio_fs_daemon"/,
    ),
  },
  {
    what: 'the daemon is no program',
    table: { virtio_fs_daemon: '<directory>/no-program' },
    error: status(
      Code.InvalidArgument,
      /: virtiofsd daemon ".*" is neither a binary nor a script with "#!": set/,
    ),
  },
  {
    what: 'it is the other dialect',
    only: 'c',
    table: { virtio_fs_dialect: 'rust' },
    error: daemon(
      /^Cannot start share "work": virtiofsd exited with code 1: fuse: unknown option\(s\): `--cache=auto /,
    ),
    exitCode: { c: 1 },
    lastLine: /^fuse: unknown option/,
  },
  {
    what: 'an argument is unknown',
    table: { virtio_fs_extra_args: ['--no-such'] },
    error: {
      name: 'ConfigError',
      code: Code.InvalidArgument,
      message: /^Invalid configuration .*virtio_fs_extra_args.*--no-such|no-such/,
    },
  },
  {
    what: 'an argument that is passed on is unknown',
    table: { virtio_fs_extra_args: ['--no-such'], virtio_fs_allow_unknown_args: true },
    error: daemon(/^Cannot start share "work": virtiofsd exited with code [12]: .*--no-such/),
    exitCode: { c: 1, rust: 2 },
  },
  {
    what: 'the source does not exist',
    source: 'nothing',
    error: status(Code.NotFound, /: virtiofsd source path is not available: ".*\/nothing": create it first$/),
  },
  {
    what: 'the source is a file',
    source: 'no-program',
    error: status(Code.InvalidArgument, /: virtiofsd source path is not a directory: ".*\/no-program"$/),
  },
  {
    what: 'the source may not be reached',
    source: 'of-another/below',
    by: withoutPrivileges('dac_override', 'dac_read_search'),
    error: status(
      Code.PermissionDenied,
      /: virtiofsd source path is not available: EACCES: permission denied: ".*below": let this user reach it$/,
    ),
  },
  {
    what: 'the source may not be entered',
    only: 'rust',
    source: 'of-another',
    by: withoutPrivileges('dac_override', 'dac_read_search'),
    error: daemon(
      /: virtiofsd exited with code 1: .*( Error entering sandbox: ChdirNewRoot\(.*Permission denied|failed to fill whole buffer)/,
    ),
    exitCode: { rust: 1 },
    lastLine: /ChdirNewRoot/,
  },
  {
    // Where the daemon ends before its worker has spoken, nobody hears the worker.
    what: 'it may have no namespaces',
    only: 'rust',
    by: withoutPrivileges('sys_admin'),
    error: daemon(
      /: virtiofsd exited with code 1: .*( Error entering sandbox: Unshare\(.*Operation not permitted|failed to fill whole buffer)/,
    ),
    exitCode: { rust: 1 },
  },
  {
    what: 'it has too few descriptors',
    only: 'rust',
    by: ['prlimit', '--nofile=100:100'],
    error: daemon(
      /: virtiofsd exited with code 1: .* Maximum number of file descriptors too small: Limit is 100/,
    ),
    exitCode: { rust: 1 },
    lastLine: /too small: Limit is 100/,
  },
  {
    what: 'no process is left to ask it for its dialect',
    withoutProcesses: true,
    error: status(
      Code.ResourceExhausted,
      /^Cannot start share "work": Cannot run ".*virtiofsd --version": EAGAIN: .*: raise the limit of processes \(TasksMax, /,
    ),
  },
  {
    what: 'no process is left to become it',
    withoutProcesses: true,
    table: { virtio_fs_dialect: '<dialect>' },
    error: daemon(
      /^Cannot start share "work": Cannot start a process: the machine has no room for one/,
      Code.ResourceExhausted,
    ),
  },
  {
    what: 'the socket directory is missing',
    spoil: withoutSockets,
    error: status(Code.InvalidArgument, /: Socket directory ".*\/state\/s" does not exist: create it first$/),
  },
  {
    what: 'the socket directory is missing since the last start',
    spoil: withoutSocketsLater,
    error: status(Code.InvalidArgument, /: Socket directory ".*\/state\/s" does not exist: create it first$/),
  },
  {
    what: 'the state directory is full',
    error: status(
      Code.ResourceExhausted,
      /^Cannot open share "work": ENOSPC: no space left on device: ".*": free space on its file system, or raise the quota$/,
    ),
  },
  {
    what: 'the state directory is read-only',
    spoil: readOnly,
    error: status(
      Code.FailedPrecondition,
      /^Cannot open share "work": EROFS: read-only file system: ".*": make its file system writable, or use another$/,
    ),
  },
  {
    what: 'it never says that it waits',
    table: { ...say('never-ready'), virtio_fs_dialect: 'rust', virtio_fs_start_timeout_ms: 300 },
    error: daemon(
      /^Cannot start share "work": virtiofsd did not say within 300 ms that it waits for its VMM: see its output, or raise virtio_fs_start_timeout_ms$/,
      Code.DeadlineExceeded,
    ),
  },
  {
    what: 'it ends at once',
    table: { ...say('exits-early'), virtio_fs_dialect: 'rust' },
    error: daemon(
      /^Cannot start share "work": virtiofsd exited with code 7: cannot open the directory: it is a teapot$/,
    ),
    exitCode: { c: 7, rust: 7 },
    lastLine: /it is a teapot$/,
  },
  {
    what: 'its caller has given up before',
    signal: AbortSignal.abort(gone),
    error: { name: 'Error', message: /^given up$/ },
  },
];

/** Everything that stands for a path, or a word, of the test. */
const fill = (table: Record<string, unknown>, words: Record<string, string>): Record<string, unknown> =>
  JSON.parse(JSON.stringify(table).replaceAll(/<(\w+)>/g, (_, word: string) => words[word] ?? '')) as Record<
    string,
    unknown
  >;

// Those that mount or give privileges away need root.
for (const { name, path, dialect, skip } of await realVirtiofsds()) {
  describe(`a share of ${name}`, { skip }, () => {
    for (const failure of FAILURES.filter(({ only = dialect }) => only === dialect)) {
      test(`fails well where ${failure.what}`, async (context) => {
        await using directory = await temporaryDirectory();
        await prepare(directory.path);
        const attempt = await run(failure, { path, dialect, directory: directory.path });
        if (!attempt) return context.skip('no cgroup of processes can be had here');
        const { error = assert.fail('it was opened'), left } = attempt;
        assert.deepEqual(left, []);
        assert.equal(error.name, failure.error.name, error.message);
        assert.equal(error.code, failure.error.code, error.message);
        assert.match(error.message, failure.error.message);
        assert.equal(error.exit?.exitCode, failure.exitCode?.[dialect]);
        if (failure.exitCode) assert.equal(error.lastLines?.length === 0, false);
        if (failure.lastLine) assert.match(error.lastLines?.at(-1) ?? '', failure.lastLine);
      });
    }
  });
}

async function prepare(directory: string): Promise<void> {
  const other = join(directory, 'of-another');
  await mkdir(join(directory, 'source'));
  await mkdir(join(other, 'below'), { recursive: true });
  chmodSync(other, 0o700);
  await chown(other, 65_534, 65_534);
  for (const file of ['not-executable', 'no-program']) {
    writeFileSync(join(directory, file), 'just words\n');
    chmodSync(join(directory, file), file === 'no-program' ? 0o755 : 0o644);
  }
}

async function run(
  { table = {}, source = 'source', signal, spoil, by, withoutProcesses = false, what }: Failure,
  { path, dialect, directory }: Pick<RealVirtiofsd, 'path' | 'dialect'> & { directory: string },
): Promise<Attempt | undefined> {
  await using small = what.includes('full') ? await smallFileSystem(2 << 20) : undefined;
  const state = join(small?.path ?? directory, 'state');
  const fillUp = ({ stateDir }: Host): (() => void) => {
    stateDir.reserve.giveUp();
    small?.fill();
    return () => small?.free();
  };
  const own = fill(table, { dialect, directory });
  const plugins = { [VIRTIOFS]: { virtio_fs_daemon: path, ...own } };
  const options = {
    config: { version: 1 as const, state, scratch_dir: state, plugins },
    share: { sandboxId: 'a', tag: 'work', source: join(directory, source) },
  };
  if (!by && !withoutProcesses) return await tryToOpen({ ...options, signal, spoil: small ? fillUp : spoil });
  using cgroup = withoutProcesses ? makeCgroup('pids') : undefined;
  if (withoutProcesses && !cgroup) return undefined;
  const program = [process.execPath, '--no-warnings', fixture('tries-to-open.ts'), JSON.stringify(options)];
  const [command = '', ...args] = [...(by ?? []), ...program, ...(cgroup ? [cgroup.path] : [])];
  const { stdout } = await execa(command, args);
  return JSON.parse(stdout) as Attempt;
}
