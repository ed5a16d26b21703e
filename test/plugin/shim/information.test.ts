import assert from 'node:assert/strict';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { packageVersion } from '../../../src/package.ts';
import { RuntimeInfoSchema } from '../../../src/proto/containerd/runtime-info_pb.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { script, shells } from './shim-place.ts';

const version = packageVersion();

for (const [interpreter = '', ...flags] of shells) {
  const run = (...args: string[]): ReturnType<typeof runShim> =>
    runShim(interpreter, [...flags, script, ...args]);

  describe(`containerd-shim-virtiofs-v1 in ${interpreter}`, () => {
    for (const flag of ['-v', '-version', '--version']) {
      test(`${flag} prints name and version`, async () => {
        const stdout = `containerd-shim-virtiofs-v1:\n  Version: ${version}\n`;
        assert.deepEqual(await run(flag), { code: 0, stdout, stderr: '' });
      });
    }

    test('-info prints a containerd.types.RuntimeInfo', async () => {
      const { code, bytes, stderr } = await runBinary(interpreter, [...flags, script, '-info']);
      const annotations = { 'containerd.io/runtime-allow-mounts': 'virtiofs' };
      const expected = { name: 'io.containerd.virtiofs.v1', version: { version }, annotations };
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
      assert.deepEqual(fromBinary(RuntimeInfoSchema, bytes), create(RuntimeInfoSchema, expected));
      assert.deepEqual(
        Buffer.from(bytes),
        Buffer.from(toBinary(RuntimeInfoSchema, create(RuntimeInfoSchema, expected))),
      );
    });

    test('--help names every variable of the environment', async () => {
      const { code, stdout, stderr } = await run('--help');
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
      for (const name of ['CONFIG', 'NODE', 'IDLE_TIMEOUT_MS'])
        assert.ok(stdout.includes(`  CONTAINERD_SHIM_VIRTIOFS_${name} `), name);
    });

    for (const { args, reason } of [
      { args: [], reason: 'name a command: start or delete; see --help' },
      {
        args: ['-frobnicate'],
        reason: 'unknown argument "-frobnicate"; containerd calls this program, see --help',
      },
      { args: ['start'], reason: 'invalid namespace ""' },
      { args: ['-namespace', 'default', 'start'], reason: 'invalid id ""' },
      ...['../other', '..', '.hidden', 'a/b', 'a b', '$(id)', 'a\nb', '*'].flatMap((name) =>
        ['start', 'delete'].flatMap((command) => [
          { args: ['-namespace', 'default', '-id', name, command], reason: `invalid id "${name}"` },
          { args: ['-namespace', name, '-id', 'sb', command], reason: `invalid namespace "${name}"` },
        ]),
      ),
    ]) {
      test(`refuses ${JSON.stringify(args)}`, async () => {
        assert.deepEqual(await run(...args), {
          code: 1,
          stdout: '',
          stderr: `containerd-shim-virtiofs-v1: ${reason}\n`,
        });
      });
    }

    test('-v works through a link', async () => {
      await using directory = await temporaryDirectory();
      const link = join(directory.path, 'containerd-shim-virtiofs-v1');
      await symlink(script, link);
      const { stdout } = await runShim(interpreter, [...flags, link, '-v']);
      assert.ok(stdout.includes(version));
    });
  });
}

async function runShim(
  command: string,
  args: string[],
): Promise<{ code: number | undefined; stdout: string; stderr: string }> {
  const { exitCode, stdout, stderr } = await execa(command, args, {
    reject: false,
    stdin: 'ignore',
    stripFinalNewline: false,
    // Whatever it does by mistake, it does not do to this machine's own state.
    env: { CONTAINERD_SHIM_VIRTIOFS_STATE: '/dev/null/nowhere' },
  });
  return { code: exitCode, stdout, stderr };
}

async function runBinary(
  command: string,
  args: string[],
): Promise<{ code: number | undefined; bytes: Uint8Array; stderr: string }> {
  const { exitCode, stdout, stderr } = await execa(command, args, {
    reject: false,
    stdin: 'ignore',
    encoding: 'buffer',
  });
  return { code: exitCode, bytes: stdout, stderr: Buffer.from(stderr).toString() };
}
