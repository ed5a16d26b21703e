import assert from 'node:assert/strict';
import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack, AnySchema } from '@bufbuild/protobuf/wkt';
import { execa } from 'execa';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { BootstrapParamsSchema } from '../../../src/proto/containerd/bootstrap_pb.ts';
import { OptionsSchema } from '../../../src/proto/containerd/runtime-options_pb.ts';
import { readConfigPath } from '../../../src/services/shim/runtime-options.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

/** What containerd writes of a runtime's options: their table too where they name no file. */
async function read({ configPath = '', table = '' }): Promise<string | undefined> {
  await using bundle = await temporaryDirectory();
  const options = create(OptionsSchema, { configPath, configBody: Buffer.from(table) });
  const value = anyPack(OptionsSchema, options);
  const params = create(BootstrapParamsSchema, { instanceId: 'sb', extensions: [{}, { value }] });
  const inputs = [toBinary(AnySchema, value), toBinary(BootstrapParamsSchema, params)];
  const found: (string | undefined)[] = [];
  for (const input of inputs) {
    // oxlint-disable-next-line no-await-in-loop -- one file
    await writeFile(join(bundle.path, 'shim-start.stdin'), input);
    // oxlint-disable-next-line no-await-in-loop
    found.push(await readConfigPath(bundle.path, 'sb'));
  }
  assert.equal(found[0], found[1]);
  return found[0];
}

describe('readConfigPath()', () => {
  test('is the file that the options name', async () => {
    assert.equal(await read({ configPath: '/etc/other.toml' }), '/etc/other.toml');
  });

  test('is undefined where the options say nothing', async () => {
    assert.equal(await read({}), undefined);
    assert.equal(await read({ table: "TypeUrl = 'virtiofs.toml'\nConfigPath = ''\n" }), undefined);
    assert.equal(await read({ table: "typeurl = 'virtiofs.toml'\n" }), undefined);
  });

  for (const [table, problem] of [
    ['ConfigPaht = "/etc/other.toml"', 'Unknown runtime option "ConfigPaht"; did you mean "ConfigPath"?'],
    ['config_path = "/etc/other.toml"', 'Unknown runtime option "config_path"; did you mean "ConfigPath"?'],
    [
      'TypeUrl = "a"\nSystemdCgroup = true',
      'Unknown runtime option "SystemdCgroup"; known: TypeUrl, ConfigPath',
    ],
    ['[virtiofs]\ncache = "auto"', 'Unknown runtime option "virtiofs"; known: TypeUrl, ConfigPath'],
  ] as const) {
    test(`refuses options that would be lost: ${table.replace('\n', ', ')}`, async () => {
      const message = `${problem}; settings stand in the file that ConfigPath names`;
      await assert.rejects(read({ table }), { code: Code.InvalidArgument, message });
    });
  }

  test('refuses a relative path, which means nothing to a host', async () => {
    const message = 'The runtime option ConfigPath is "other.toml": use an absolute path';
    await assert.rejects(read({ configPath: 'other.toml' }), { code: Code.InvalidArgument, message });
  });

  test('is undefined where no start saved anything, and rejects where what it saved cannot be read', async () => {
    await using bundle = await temporaryDirectory();
    assert.equal(await readConfigPath(bundle.path, 'sb'), undefined);
    assert.equal(await readConfigPath(join(bundle.path, 'none'), 'sb'), undefined);
    const file = join(bundle.path, 'shim-start.stdin');
    const message = (why: string): RegExp =>
      new RegExp(`^Cannot read containerd's runtime options in "${file}": ${why}`);
    await mkdir(file);
    await assert.rejects(readConfigPath(bundle.path, 'sb'), {
      code: Code.FailedPrecondition,
      message: message('EISDIR'),
    });
    const fifo = join(bundle.path, 'fifo');
    await mkdir(fifo);
    await execa('mkfifo', [join(fifo, 'shim-start.stdin')]);
    await assert.rejects(readConfigPath(fifo, 'sb'), { code: Code.InvalidArgument, message: /regular file/ });
  });
});
