import assert from 'node:assert/strict';
import { create } from '@bufbuild/protobuf';
import { anyPack, AnySchema, type Any } from '@bufbuild/protobuf/wkt';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { OptionsSchema } from '../../src/proto/containerd/runtime-options_pb.ts';
import { PodSandboxConfigSchema } from '../../src/proto/cri/pod-sandbox-config_pb.ts';
import { podOf } from '../../src/services/pod.ts';
import { eventually } from '../harness/eventually.ts';
import { leftovers } from '../harness/leftovers.ts';
import { memorySpans } from '../harness/memory-spans.ts';
import { serveTestHost } from '../harness/test-host.ts';
import { writePlugin } from '../harness/test-plugin.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

const CREATE = 'containerd.runtime.sandbox.v1.Sandbox/CreateSandbox';
const SECRET = 'not-for-the-log';

/** As containerd writes the type: without a prefix. */
const optionsOf = (value: Uint8Array): Any =>
  create(AnySchema, { typeUrl: 'runtime.v1.PodSandboxConfig', value });

const metadata = { name: 'web-0', namespace: 'shop', uid: '0a1b', attempt: 2 };
const config = create(PodSandboxConfigSchema, {
  metadata,
  labels: { app: 'web' },
  annotations: { 'example.com/password': SECRET },
});
const options = optionsOf(anyPack(PodSandboxConfigSchema, config).value);
const attributes = { 'k8s.pod.name': 'web-0', 'k8s.namespace.name': 'shop', 'k8s.pod.uid': '0a1b' };

describe('podOf()', () => {
  test("reads the pod of CRI's configuration", () => {
    const { labels, annotations } = config;
    assert.deepEqual(podOf(options), { ...metadata, labels, annotations });
  });

  test('finds none in other options, nor where there are none', () => {
    assert.equal(podOf(undefined), undefined);
    assert.equal(podOf(anyPack(OptionsSchema, create(OptionsSchema))), undefined);
    assert.equal(podOf(anyPack(PodSandboxConfigSchema, create(PodSandboxConfigSchema))), undefined);
  });

  test('rejects a configuration that is none', () => {
    assert.throws(() => podOf(optionsOf(Uint8Array.of(10, 200))), {
      code: Code.InvalidArgument,
      message: /^Cannot read the pod's configuration in the options of the sandbox: /,
    });
  });
});

describe('a sandbox that CRI creates', () => {
  test('is told of by the names of its pod, and neither by labels nor by annotations', async () => {
    await using spans = await memorySpans();
    await using own = await serveTestHost({ config: { shares: [{ tag: 'work' }] } });
    const { client, captured } = own;
    await client.createSandbox({ sandboxId: 'sb', options });
    await client.startSandbox({ sandboxId: 'sb' });
    const { info } = await client.sandboxStatus({ sandboxId: 'sb', verbose: true });
    assert.deepEqual(JSON.parse(info['pod'] ?? ''), metadata);
    const [snapshot] = own.host.sandboxes.get('default', 'sb').snapshots();
    assert.deepEqual(snapshot?.pod, metadata);
    const file = join(own.state, 'sandboxes/default/sb/work/share.json');
    const record = await readFile(file, 'utf8');
    assert.deepEqual((JSON.parse(record) as { pod?: unknown }).pod, metadata);

    await client.shutdownSandbox({ sandboxId: 'sb' });
    await eventually('the daemon has been reported', () => spans.named('virtiofsd.quit').length === 1);
    for (const name of [
      CREATE,
      'sandbox.create',
      'virtiofsd.start',
      'sandbox.delete',
      'virtiofsd.stop',
      'virtiofsd.quit',
    ])
      assert.deepEqual(pick(spans.one(name).attributes), attributes, name);
    const lines = captured.lines.filter(({ share }) => share === 'work');
    assert.ok(lines.length > 1);
    for (const line of lines) assert.deepEqual(pick(line), attributes, line.msg);

    const told = JSON.stringify([captured.lines, spans.all.map((span) => [span.attributes, span.events])]);
    assert.doesNotMatch(`${told}${record}${JSON.stringify(info)}`, new RegExp(SECRET));
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('reaches its plugin with its labels and annotations', async () => {
    await using place = await temporaryDirectory();
    const code = `export const create = ({ log }) => ({
      open: async ({ pod }) => { throw new Error(JSON.stringify(pod)); },
      close: async () => {} });`;
    await writePlugin(place.path, { id: 'curious', code });
    const shares = [{ tag: 'work', shared_fs: 'fs-curious' }];
    await using own = await serveTestHost({ config: { plugin_dirs: [place.path], shares } });
    const { labels, annotations } = config;
    const told = JSON.stringify({ ...metadata, labels, annotations });
    await assert.rejects(own.client.createSandbox({ sandboxId: 'sb', options }), (error) =>
      String(error).includes(told),
    );
  });

  test('names its pod where its creation fails', async () => {
    await using spans = await memorySpans();
    await using own = await serveTestHost({
      config: { shares: [{ tag: 'work', source: '/nowhere/at/all' }] },
    });
    await assert.rejects(own.client.createSandbox({ sandboxId: 'sb', options }));
    const failed = own.captured.lines.filter(({ method }) => method === CREATE);
    assert.deepEqual(failed.map(pick), [attributes]);
    await eventually('the call ended', () => spans.named(CREATE).length === 1);
    assert.deepEqual(pick(spans.one(CREATE).attributes), attributes);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('is refused where its configuration is none', async () => {
    await using own = await serveTestHost();
    await assert.rejects(
      own.client.createSandbox({ sandboxId: 'sb', options: optionsOf(Uint8Array.of(10, 200)) }),
      { code: Code.InvalidArgument, message: /^Cannot read the pod's configuration/ },
    );
    assert.equal(own.host.sandboxes.size, 0);
  });
});

/** What is told of a pod. */
const pick = (from: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(from).filter(([key]) => key.startsWith('k8s.')));
