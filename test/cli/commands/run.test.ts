import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { mountsBeneath } from '../../../src/proc/mountinfo.ts';
import { eventually } from '../../harness/eventually.ts';
import { fixture } from '../../harness/fixtures.ts';
import { isGone } from '../../harness/leftovers.ts';
import { PATIENT_DAEMON } from '../../harness/patience.ts';
import { SHIM_VIRTIOFS } from '../../harness/shim-virtiofs.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { VIRTIOFS } from '../../harness/test-host.ts';
import { askFeatures } from '../../harness/vhost-user.ts';
import { realVirtiofsds } from '../../harness/virtiofsds.ts';

/** `shim-virtiofs run` with a directory for all that it makes. Disposal kills it. */
interface Run extends AsyncDisposable {
  readonly source: string;
  readonly stderr: Promise<string>;
  /** Resolves to its exit code, or to the name of the signal that ended it. */
  readonly ended: Promise<number | string>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves to the share that it opened. */
  opened(): Promise<{ pid: number; socketPath: string; sharedDir: string }>;
  /** Resolves to the pid of the daemon that it has just started. */
  started(): Promise<number>;
  /** What stands in its temporary directory, and what is mounted there. */
  left(): Promise<string[]>;
}

/** @param args `SOURCE` stands for the directory to share */
async function startRun(daemon: string, dialect: string, ...args: string[]): Promise<Run> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const [temporary, scratch, source] = ['t', 'scratch', 'source'].map((name) => join(path, name)) as [
    string,
    string,
    string,
  ];
  await Promise.all([temporary, scratch, source].map((directory) => mkdir(directory)));
  const config = join(path, 'config.toml');
  const table = `virtio_fs_daemon = "${daemon}"\nvirtio_fs_dialect = "${dialect}"\n${PATIENT_DAEMON}`;
  // What the configuration says of the state is another host's.
  await writeFile(
    config,
    `version = 1\nstate = "${path}/state"\nscratch_dir = "${scratch}"\n[plugins."${VIRTIOFS}"]\n${table}\n`,
  );
  const command = ['--no-warnings', SHIM_VIRTIOFS, 'run', '--json', '-c', config];
  const child = spawn(
    process.execPath,
    [...command, ...args.map((arg) => (arg === 'SOURCE' ? source : arg))],
    {
      env: { ...process.env, TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const ended = once(child, 'exit').then(([code, signal]: unknown[]) => (code ?? signal) as number | string);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const stderr = text(child.stderr);
  stack.defer(async () => {
    child.kill('SIGKILL');
    await ended;
    await eventually(
      'the death of it ends its share',
      async () => (await shareRecords(temporary)).length === 0,
    );
  });
  const own = stack.move();
  return {
    source,
    stderr,
    ended,
    kill: (signal) => void child.kill(signal),
    async opened() {
      await eventually('the share is open', async () => {
        if (child.exitCode !== null) throw new Error(`It ended: ${await stderr}`);
        return output.endsWith('}\n');
      });
      return (JSON.parse(output) as { share: Awaited<ReturnType<Run['opened']>> }).share;
    },
    async started() {
      let pid: number | undefined;
      await eventually('the daemon is on record', async () => {
        const [record] = await shareRecords(temporary);
        pid = record?.daemon?.pid;
        return pid !== undefined;
      });
      return pid ?? 0;
    },
    left: async () => [
      ...(await readdir(temporary)),
      ...(await readdir(scratch)),
      ...mountsBeneath(path),
      ...['state'].filter((name) => existsSync(join(path, name))),
    ],
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

interface ShareRecord {
  readonly daemon?: { readonly pid: number };
}

async function shareRecords(temporary: string): Promise<ShareRecord[]> {
  const names = await readdir(temporary, { recursive: true }).catch(() => []);
  const records = names.filter((name) => name.endsWith('/share.json'));
  const texts = await Promise.all(
    records.map((name) => readFile(join(temporary, name), 'utf8').catch(() => '{}')),
  );
  return texts.map((content) => JSON.parse(content) as ShareRecord);
}

// Real virtiofsds need root.
for (const { name, dialect, path, skip } of await realVirtiofsds()) {
  describe(`shim-virtiofs run with ${name}`, { skip }, () => {
    test('serves a VMM, exits with 0 when it leaves, and leaves nothing', async () => {
      await using run = await startRun(path, dialect, 'SOURCE', '--tag', 'my tag');
      const { pid, socketPath, sharedDir } = await run.opened();
      assert.equal(sharedDir, run.source);
      assert.notEqual(await askFeatures(socketPath), 0n);
      assert.equal(await run.ended, 0);
      assert.match(await run.stderr, /^shim-virtiofs: Share "my tag" has ended: disconnected/);
      assert.deepEqual([isGone(pid), await run.left()], [true, []]);
    });

    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      test(`closes the share at ${signal} and ends by it`, async () => {
        await using run = await startRun(path, dialect, 'SOURCE');
        const { pid } = await run.opened();
        run.kill(signal);
        assert.equal(await run.ended, signal);
        assert.deepEqual([await run.stderr, isGone(pid), await run.left()], ['', true, []]);
      });
    }

    test('exits with 1 and says what ended the daemon', async () => {
      await using run = await startRun(path, dialect, 'SOURCE');
      const { pid } = await run.opened();
      process.kill(pid, 'SIGKILL');
      assert.equal(await run.ended, 1);
      assert.match(await run.stderr, /^shim-virtiofs: Share "share" has ended: .*SIGKILL/);
      assert.deepEqual([isGone(pid), await run.left()], [true, []]);
    });

    test('has its share end with it when it is killed', async () => {
      await using run = await startRun(path, dialect, 'SOURCE');
      const { pid, socketPath } = await run.opened();
      run.kill('SIGKILL');
      assert.equal(await run.ended, 'SIGKILL');
      await eventually('the daemon is gone', () => isGone(pid) && !existsSync(socketPath));
    });

    test('shares an empty directory, which goes with it, where none is named', async () => {
      await using run = await startRun(path, dialect);
      const { sharedDir } = await run.opened();
      assert.deepEqual(await readdir(sharedDir), []);
      await writeFile(join(sharedDir, 'file'), 'content');
      run.kill('SIGINT');
      assert.equal(await run.ended, 'SIGINT');
      assert.deepEqual([existsSync(sharedDir), await run.left()], [false, []]);
    });

    test("exits with 1, with the host's words, for a directory that is not there", async () => {
      await using run = await startRun(path, dialect, '/nonexistent/directory');
      assert.equal(await run.ended, 1);
      assert.match(
        await run.stderr,
        /^shim-virtiofs: .*"share".*"\/nonexistent\/directory": create it first\n$/,
      );
      assert.deepEqual(await run.left(), []);
    });
  });
}

describe('shim-virtiofs run', () => {
  test('gives up at Ctrl-C a daemon that is never ready', async () => {
    await using run = await startRun(fixture('never-ready'), 'rust', 'SOURCE');
    const pid = await run.started();
    run.kill('SIGINT');
    assert.equal(await run.ended, 'SIGINT');
    assert.deepEqual([await run.stderr, isGone(pid), await run.left()], ['', true, []]);
  });

  test("exits with 1, with the daemon's last words, where it cannot start", async () => {
    await using run = await startRun(fixture('exits-early'), 'rust', 'SOURCE');
    assert.equal(await run.ended, 1);
    assert.match(await run.stderr, /^shim-virtiofs: Cannot start share "share": .* exited with code /);
    assert.deepEqual(await run.left(), []);
  });

  test('logs nothing unless it is told to', async () => {
    await using run = await startRun(fixture('exits-early'), 'rust', 'SOURCE', '--verbose');
    assert.equal(await run.ended, 1);
    assert.match(await run.stderr, /^\{"level":"/);
    assert.deepEqual(await run.left(), []);
  });

  test('exits with 2 and names the file and the key that is wrong in the table of a plugin', async () => {
    await using run = await startRun('/bin/true', 'nonsense', 'SOURCE');
    assert.equal(await run.ended, 2);
    assert.match(
      await run.stderr,
      /^shim-virtiofs: Invalid configuration ".*\/config\.toml": plugins\.".*"\.virtio_fs_dialect: /,
    );
    assert.deepEqual(await run.left(), []);
  });
});
