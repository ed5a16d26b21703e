import assert from 'node:assert/strict';
import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack, AnySchema, EmptySchema, type Any } from '@bufbuild/protobuf/wkt';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { BootstrapParamsSchema } from '../../../src/proto/containerd/bootstrap_pb.ts';
import { OptionsSchema } from '../../../src/proto/containerd/runtime-options_pb.ts';
import { readRecords } from '../../harness/containerd/shim-containerd.ts';
import { fixture } from '../../harness/fixtures.ts';
import { shimPlace } from './shim-place.ts';

const configPath = (path: string): Any => anyPack(OptionsSchema, create(OptionsSchema, { configPath: path }));
const empty = anyPack(EmptySchema, create(EmptySchema));

/** Standard input since containerd 2.3. */
const bootstrap = (id: string, options?: Any): Uint8Array =>
  toBinary(
    BootstrapParamsSchema,
    create(BootstrapParamsSchema, {
      instanceId: id,
      namespace: 'default',
      containerdVersion: 'v2.4.2',
      extensions: options ? [{ value: options }] : [],
    }),
  );

/** Standard input before containerd 2.3. */
const plain = (options: Any): Uint8Array => toBinary(AnySchema, options);

describe('containerd-shim-virtiofs-v1 start saves its standard input, from which a sandbox', () => {
  for (const { name, input } of [
    { name: 'BootstrapParams', input: (file: string) => bootstrap('sb', configPath(file)) },
    { name: 'Any', input: (file: string) => plain(configPath(file)) },
  ]) {
    test(`takes shares and plugin tables of the ConfigPath in ${name}`, async () => {
      await using place = await shimPlace();
      const file = join(place.path, 'of-one-sandbox.toml');
      await writeFile(
        file,
        `version = 1
[[shares]]
tag = "other"
[plugins."io.containerd.fsshare.v1.virtiofs"]
virtio_fs_daemon = "${fixture('exits-early')}"
virtio_fs_dialect = "rust"
virtio_fs_queue_size = 64
`,
      );
      await place.createSandbox('plain', { input: bootstrap('plain', empty) });
      await place.createSandbox('sb', { input: input(file) });
      assert.deepEqual(
        await readFile(join(await place.bundle('sb'), 'shim-start.stdin')),
        Buffer.from(input(file)),
      );
      await assert.rejects(
        place.call((sandboxes) => sandboxes.startSandbox({ sandboxId: 'sb' })),
        /Cannot start share "other": virtiofsd exited with code 7: cannot open the directory: it is a teapot/,
      );
      const { info } = await place.call((sandboxes) =>
        sandboxes.sandboxStatus({ sandboxId: 'sb', verbose: true }),
      );
      assert.equal((JSON.parse(info['share.other'] ?? '{}') as { queueSize?: number }).queueSize, 64);
      // The other sandbox keeps to the host's own.
      await place.call((sandboxes) => sandboxes.startSandbox({ sandboxId: 'plain' }));
    });
  }

  for (const { name, input } of [
    { name: 'nothing', input: new Uint8Array() },
    { name: 'an Any of no options', input: plain(empty) },
    { name: 'an empty Any', input: plain(create(AnySchema)) },
    { name: 'BootstrapParams without options', input: bootstrap('sb') },
    { name: 'BootstrapParams with no options', input: bootstrap('sb', empty) },
    { name: 'an Any of options without a ConfigPath', input: plain(configPath('')) },
  ]) {
    test(`takes the host's own configuration: ${name}`, async () => {
      await using place = await shimPlace();
      await place.createSandbox('sb', { input });
      const records = await readRecords(place.state);
      assert.deepEqual(
        records.map(({ tag }) => tag),
        ['work'],
      );
    });
  }

  test('is refused for a ConfigPath that is none, and the next one is not', async () => {
    await using place = await shimPlace();
    await assert.rejects(place.createSandbox('sb', { input: bootstrap('sb', configPath('/nowhere.toml')) }), {
      code: Code.InvalidArgument,
      message: /Invalid configuration "\/nowhere\.toml"/,
    });
    await place.createSandbox('sb', { input: bootstrap('sb') });
  });

  for (const [how, spoil] of [
    ['cannot be read', (file: string) => rm(file).then(() => mkdir(file))],
    ['has been removed', (file: string) => rm(file)],
  ] as const) {
    test(`is refused where what was saved ${how}`, async () => {
      await using place = await shimPlace();
      assert.equal((await place.start('sb', { input: bootstrap('sb', configPath('/x.toml')) })).code, 0);
      const bundlePath = await place.bundle('sb');
      await spoil(join(bundlePath, 'shim-start.stdin'));
      await assert.rejects(
        place.call((sandboxes) => sandboxes.createSandbox({ sandboxId: 'sb', bundlePath })),
        {
          code: Code.FailedPrecondition,
          message: /^Cannot read containerd's runtime options in ".*shim-start\.stdin": /,
        },
      );
      assert.deepEqual(await readRecords(place.state), []);
    });
  }

  test('is refused for input that containerd does not write', async () => {
    await using place = await shimPlace();
    await assert.rejects(place.createSandbox('sb', { input: Buffer.from('not protobuf at all') }), {
      code: Code.InvalidArgument,
      message: /Cannot read containerd's runtime options in ".*shim-start\.stdin"/,
    });
  });
});
