import assert from 'node:assert/strict';
import { existsSync, mkdirSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code, StatusError } from 'ttrpc-ts';
import { bootId, identify } from '../../src/proc/stat.ts';
import { openShare } from '../../src/share/open-share.ts';
import type { PluginContext, Share, ShareRequest } from '../../src/share/contract.ts';
import { readRecord, type ShareRecord } from '../../src/share/record.ts';
import { withSpan } from '../../src/tracing/span.ts';
import { nestTooDeep } from '../harness/deep-directory.ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { memorySpans } from '../harness/memory-spans.ts';
import { pluginContext, shareRequest } from '../harness/plugin-context.ts';

const open = (
  context: PluginContext,
  request: ShareRequest,
  { program = 'waits', onStart = () => {} }: { program?: string; onStart?: () => void } = {},
): Promise<Share> =>
  openShare(context, request, {
    queueSize: 128,
    daemon: () => ({
      name: 'virtiofsd',
      socket: 'handed-over',
      ready: { line: /Waiting for/ },
      startTimeoutMs: 600_000,
      stopTimeoutMs: 600_000,
      program: () => {
        onStart();
        return { command: fixture(program), args: ['--of=it'], version: '1.2.3' };
      },
    }),
  });

/** A share whose daemon cannot be described, or which it is no use to start. */
const openFailing = (context: PluginContext, program: () => never): Promise<Share> =>
  openShare(context, shareRequest(), {
    queueSize: 1,
    daemon: () => ({
      name: 'virtiofsd',
      socket: 'handed-over',
      ready: { line: /x/ },
      startTimeoutMs: 600_000,
      stopTimeoutMs: 600_000,
      program,
    }),
  });

// Those that mount need root.
describe('openShare()', () => {
  test('records the share before the spawn, and afterwards with process and trace', async () => {
    await using spans = await memorySpans();
    await using own = await pluginContext();
    const files = own.context.stateDir.share('default', 'a', 'work');
    let before: ShareRecord | undefined;
    await using share = await withSpan('the start', {}, () =>
      open(own.context, shareRequest({ source: own.source, readOnly: true }), {
        onStart: () => {
          before = readRecord(files);
        },
      }),
    );
    const { createdAt, ...known } = before ?? assert.fail('no record before the spawn');
    assert.deepEqual(known, {
      formatVersion: 1,
      namespace: 'default',
      sandboxId: 'a',
      tag: 'work',
      owner: 'library',
      outlivesHost: false,
      profile: '(options)',
      provider: 'virtio-fs',
      source: own.source,
      ownsSource: false,
      readOnly: true,
      queueSize: 128,
      socketPath: share.socketPath,
      onExit: 'stop-sandbox',
      restarts: 0,
      bootId: bootId(),
      mounts: [],
    });
    const { traceId, spanId, traceFlags } = spans.one('virtiofsd.start').spanContext();
    const { daemon, ...after } = readRecord(files) ?? assert.fail('no record after the spawn');
    assert.deepEqual(after, before);
    const { startTime, startedAt, boundPath, ...process } = daemon ?? assert.fail('no daemon');
    assert.deepEqual(process, {
      pid: share.pid,
      command: fixture('waits'),
      args: ['--of=it'],
      version: '1.2.3',
      startSpan: { traceId, spanId, traceFlags },
    });
    assert.equal(startTime, identify(share.pid)?.startTime);
    assert.match(boundPath ?? '', /\.new$/);
    assert.equal(Date.parse(createdAt) <= Date.parse(startedAt), true);
    assert.equal(statSync(files.record).mode & 0o777, 0o600);
  });

  test('makes an empty directory where there is no source, and removes it and all else at the end', async () => {
    await using own = await pluginContext();
    const share = await open(own.context, shareRequest());
    assert.equal(statSync(share.sharedDir).isDirectory(), true);
    assert.equal(share.sharedDir.startsWith(`${own.state}/shared/`), true);
    writeFileSync(join(share.sharedDir, 'of the guest'), '');
    await share.ready;
    assert.deepEqual(share.status(), {
      tag: 'work',
      state: 'waiting',
      pid: share.pid,
      socketPath: share.socketPath,
      sharedDir: share.sharedDir,
      queueSize: 128,
      adopted: false,
      restarts: 0,
      lastLines: ['Waiting for vhost-user socket connection...'],
    });
    await share[Symbol.asyncDispose]();
    assert.equal((await share.closed).cause, 'stopped');
    assert.equal(isGone(share.pid), true);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('closes whatever the guest has put into a directory of the host', async () => {
    await using own = await pluginContext();
    const share = await open(own.context, shareRequest());
    nestTooDeep(share.sharedDir);
    await share[Symbol.asyncDispose]();
    assert.equal(existsSync(share.sharedDir), false);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test("keeps a caller's source at the end", async () => {
    await using own = await pluginContext();
    const { source } = own;
    writeFileSync(join(source, 'kept'), '');
    await (await open(own.context, shareRequest({ source })))[Symbol.asyncDispose]();
    assert.equal(existsSync(join(source, 'kept')), true);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('resolves a symbolic link once, serves what it named, and records both', async () => {
    await using own = await pluginContext();
    const [directory, other, link] = ['directory', 'other', 'link'].map((name) =>
      join(own.directory.path, name),
    ) as [string, string, string];
    for (const path of [directory, other]) mkdirSync(path);
    symlinkSync('directory', link);
    await using share = await open(own.context, shareRequest({ source: link }), {
      onStart: () => {
        rmSync(link);
        symlinkSync('other', link);
      },
    });
    assert.equal(share.sharedDir, directory);
    const record = readRecord(own.context.stateDir.share('default', 'a', 'work'));
    assert.deepEqual([record?.source, record?.requestedSource], [directory, link]);
    await share[Symbol.asyncDispose]();
    assert.equal(existsSync(directory) && existsSync(other) && existsSync(link), true);
  });

  test('refuses the state directory, what is in it and what it is in, under any name, and leaves nothing', async () => {
    await using own = await pluginContext();
    const { path } = own.directory;
    const link = join(path, 'link');
    symlinkSync(join(own.state, 's'), link);
    await using other = await open(own.context, shareRequest({ sandboxId: 'other' }));
    const sources = [
      ['holds', [own.state, path, '/', `${own.state}/../state/.`]],
      ['is in', [join(own.state, 's'), other.sharedDir, link]],
    ] as const;
    for (const [problem, paths] of sources) {
      for (const source of paths) {
        await assert.rejects(open(own.context, shareRequest({ source })), {
          code: Code.InvalidArgument,
          message: `Cannot start share "work": Source "${realpathSync(source)}" ${problem} the state directory "${own.state}": share another directory`,
        });
      }
    }
    await other[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(own.state), []);
    // A neighbour whose name begins like that of the state.
    const source = `${own.state}-not`;
    mkdirSync(source);
    await (await open(own.context, shareRequest({ source })))[Symbol.asyncDispose]();
  });

  test('rejects a tag in use with AlreadyExists and leaves the first share alone', async () => {
    await using own = await pluginContext();
    await using share = await open(own.context, shareRequest());
    await assert.rejects(open(own.context, shareRequest()), {
      name: 'StatusError',
      code: Code.AlreadyExists,
      message: 'Sandbox "a" already has a share "work": delete it first',
    });
    assert.equal(isGone(share.pid), false);
    assert.equal(existsSync(share.socketPath), true);
    await using other = await open(own.context, shareRequest({ tag: 'other' }));
    assert.notEqual(other.socketPath, share.socketPath);
  });

  test('does not call it a tag in use when the directory cannot be made for another reason', async () => {
    await using own = await pluginContext();
    const sandbox = own.context.stateDir.sandboxDirectory('default', 'a');
    mkdirSync(sandbox, { recursive: true });
    await execa('mount', ['-t', 'tmpfs', '-o', 'ro', 'csv-test', sandbox]);
    try {
      await assert.rejects(open(own.context, shareRequest()), ({ code, message, cause }: StatusError) => {
        assert.equal(code, Code.FailedPrecondition);
        assert.equal((cause as NodeJS.ErrnoException).code, 'EROFS');
        const where = join(sandbox, 'work');
        assert.equal(
          message,
          `Cannot open share "work": EROFS: read-only file system: "${where}": make its file system writable, or use another`,
        );
        return true;
      });
    } finally {
      await execa('umount', [sandbox]);
    }
  });

  test('names the share in the error of a failed start, keeps its code, and leaves nothing', async () => {
    await using own = await pluginContext();
    const failing = openFailing(own.context, () => {
      throw new StatusError(Code.NotFound, 'no such daemon');
    });
    await assert.rejects(failing, {
      name: 'StatusError',
      code: Code.NotFound,
      message: 'Cannot start share "work": no such daemon',
    });
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('leaves nothing when the daemon cannot be described', async () => {
    await using own = await pluginContext();
    const failing = openShare(own.context, shareRequest(), {
      queueSize: 1,
      daemon: () => {
        throw new StatusError(Code.NotFound, 'no virtiofsd');
      },
    });
    await assert.rejects(failing, {
      code: Code.NotFound,
      message: 'Cannot start share "work": no virtiofsd',
    });
    assert.deepEqual(await leftovers(own.state), []);
  });

  test("rejects ready with the daemon's words when it ends at once", async () => {
    await using own = await pluginContext();
    await using share = await open(own.context, shareRequest(), { program: 'exits-early' });
    await assert.rejects(share.ready, {
      name: 'DaemonError',
      code: Code.FailedPrecondition,
      message:
        'Cannot start share "work": virtiofsd exited with code 7: cannot open the directory: it is a teapot',
      exit: { cause: 'start-failed', exitCode: 7, signal: undefined },
      lastLines: ['reading the settings', 'cannot open the directory: it is a teapot'],
    });
  });

  test('closes once however often and at once it is disposed of', async () => {
    await using own = await pluginContext();
    const share = await open(own.context, shareRequest(), { program: 'leaves-child' });
    await Promise.all([share[Symbol.asyncDispose](), share[Symbol.asyncDispose]()]);
    await share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('keeps directory and record while something is mounted there, and closes when it no longer is', async () => {
    await using own = await pluginContext();
    const share = await open(own.context, shareRequest());
    const mountpoint = join(share.sharedDir, 'mounted');
    mkdirSync(mountpoint);
    await execa('mount', ['-t', 'tmpfs', 'csv-test', mountpoint]);
    try {
      writeFileSync(join(mountpoint, 'precious'), '');
      await assert.rejects(share[Symbol.asyncDispose]() as Promise<void>, {
        code: Code.FailedPrecondition,
        message: `Cannot remove "${share.sharedDir}": "${mountpoint}" is still mounted; unmount it first`,
      });
      assert.equal(isGone(share.pid), true);
      assert.equal(existsSync(join(mountpoint, 'precious')), true);
      assert.equal(readRecord(own.context.stateDir.share('default', 'a', 'work'))?.source, share.sharedDir);
    } finally {
      await execa('umount', [mountpoint]);
    }
    await share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(own.state), []);
  });
});
