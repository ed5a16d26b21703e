import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, StatusError, type ServiceImpl } from 'ttrpc-ts';
import { shellWords } from '../../../src/cli/shell-words.ts';
import type { Shares } from '../../../src/proto/share/shares_pb.ts';
import { fakeShare, serveFakeShares } from '../../harness/fake-shares.ts';
import { runShimVirtiofs as run, SHIM_VIRTIOFS } from '../../harness/shim-virtiofs.ts';

const time = timestampFromMs(1_700_000_000_123);

/** Tells these, then nothing until the call ends. */
const telling = (...tags: string[]): { watch: ServiceImpl<typeof Shares>['watch']; left: Promise<void> } => {
  const left = Promise.withResolvers<void>();
  return {
    left: left.promise,
    async *watch(_, { signal }) {
      for (const tag of tags) yield { event: 'current', time, share: fakeShare({ tag }) };
      yield { event: 'synced', time };
      await once(signal, 'abort');
      left.resolve();
    },
  };
};

describe('shim-virtiofs watch', () => {
  test('prints a line for each share and event, in order, and what ended a daemon', async () => {
    const exit = { cause: 'crashed', message: 'it was killed by SIGSEGV \x1b[2J' };
    await using fake = await serveFakeShares({
      async *watch() {
        yield { event: 'current', time, share: fakeShare() };
        yield { event: 'synced', time };
        yield { event: 'changed', time, share: fakeShare({ state: 'exited', exit }) };
      },
    });
    const text = await run('watch', '--address', fake.address);
    assert.deepEqual(text.stdout.split('\n'), [
      '2023-11-14T22:13:20.123Z current default/sb1/work waiting pid 4711',
      '2023-11-14T22:13:20.123Z changed default/sb1/work exited pid 4711 crashed: it was killed by SIGSEGV \\x1b[2J',
    ]);
    assert.deepEqual([text.exitCode, text.stderr], [3, 'shim-virtiofs: The shim host has ended']);
    const json = await run('watch', '--json', '--address', fake.address);
    const lines = json.stdout
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string; share?: { exit?: unknown } });
    assert.deepEqual(
      lines.map(({ event }) => event),
      ['current', 'synced', 'changed'],
    );
    assert.deepEqual(lines[1], { event: 'synced', time: '2023-11-14T22:13:20.123Z' });
    assert.deepEqual(lines[2]?.share?.exit, exit);
  });

  test('asks for what it is told to', async () => {
    const asked: unknown[] = [];
    await using fake = await serveFakeShares({
      // oxlint-disable-next-line require-yield -- there is nothing to tell
      async *watch({ namespace, sandboxId }) {
        asked.push({ namespace, sandboxId });
      },
    });
    await run('watch', '--address', fake.address);
    await run('watch', 'sb1', '-n', 'k8s.io', '--address', fake.address);
    assert.deepEqual(asked, [
      { namespace: '', sandboxId: '' },
      { namespace: 'k8s.io', sandboxId: 'sb1' },
    ]);
  });

  test('exits with 1 and says so where it was too slow', async () => {
    await using fake = await serveFakeShares({
      // oxlint-disable-next-line require-yield
      async *watch() {
        throw new StatusError(Code.ResourceExhausted, '7 events are lost: watch again');
      },
    });
    const { exitCode, stderr } = await run('watch', '--address', fake.address);
    assert.deepEqual([exitCode, stderr], [1, 'shim-virtiofs: 7 events are lost: watch again']);
  });

  test('exits with 3 where the host is killed', async () => {
    await using fake = await serveFakeShares(telling('a'));
    const child = spawn(process.execPath, [SHIM_VIRTIOFS, 'watch', '--address', fake.address]);
    const exit = once(child, 'exit');
    await once(createInterface(child.stdout), 'line');
    await fake.end();
    assert.deepEqual(await exit, [3, null]);
  });

  test('ends at Ctrl-C by that signal', async () => {
    const service = telling('a');
    await using fake = await serveFakeShares(service);
    const child = spawn(process.execPath, [SHIM_VIRTIOFS, 'watch', '--address', fake.address]);
    const exit = once(child, 'exit');
    await once(createInterface(child.stdout), 'line');
    child.kill('SIGINT');
    assert.deepEqual(await exit, [null, 'SIGINT']);
    await service.left;
  });

  test('ends quietly where nobody reads any more', async () => {
    await using fake = await serveFakeShares({
      async *watch(_, { signal }) {
        while (!signal.aborted) {
          yield { event: 'changed', time, share: fakeShare() };
          await delay(5);
        }
      },
    });
    const command = shellWords([process.execPath, SHIM_VIRTIOFS, 'watch', '--address', fake.address]);
    const { stdout, stderr } = await execa('sh', ['-c', `{ ${command}; echo "$?" >&2; } | head -1`]);
    assert.match(stdout, / default\/sb1\/work waiting /);
    assert.equal(stderr, '0');
  });
});
