import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { execa } from 'execa';
import { parse } from 'smol-toml';
import { parseConfig } from '../../../src/config/read.ts';
import { startContainerd } from '../../harness/containerd/containerd.ts';
import { containerdBinaries, containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { hostNetworkPod } from '../../harness/containerd/pods.ts';
import { RuntimeService } from '../../harness/containerd/proto/cri_pb.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';
import {
  exampleFile,
  runSession,
  startExampleContainerd,
  startExampleController,
} from '../../harness/containerd/examples.ts';

const { skip } = await obtainOrSkip('virtiofsd-rust');

test('examples/containerd/session.sh runs as written', { skip }, async () => {
  await using containerd = await startExampleController({ version: '2.4.2' });
  const { stdout, stderr, code } = await runSession(containerd, 'containerd/session.sh');
  assert.equal(code, 0, stderr);
  assert.match(stdout, / Ready +demo +default +0 +virtiofs$/m);
  for (const tag of ['scratch', 'models']) assert.match(stdout, new RegExp(`^k8s\\.io +\\w+ +${tag} `, 'm'));
  assert.ok(stdout.includes('chardev'), stdout);
  assert.doesNotMatch(stdout.slice(stdout.indexOf('Nothing is left')), /^k8s\.io/m);
  assert.deepEqual(await containerd.leftovers(), []);
});

for (const version of containerdVersions) {
  const script = 'containerd/shim/session.sh';
  test(`examples/${script} runs as written with containerd ${version}`, { skip }, async () => {
    await using containerd = await startExampleContainerd({ version, config: 'containerd/config.toml' });
    const { stdout, stderr, code } = await runSession(containerd, script);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^demo\s.*io\.containerd\.virtiofs\.v1/m);
    for (const tag of ['work', 'models']) {
      const record = `${containerd.state}/sandboxes/default/demo/${tag}/share.json`;
      assert.ok(stdout.includes(`${record}: "source": "${containerd.dir}/srv/${tag}"`), stdout);
    }
    assert.doesNotMatch(stdout.slice(stdout.indexOf('Nothing is left')), /^demo/m);
    assert.deepEqual(await containerd.leftovers(), []);
  });
}

const ways = {
  controller: {
    file: 'containerd/containerd.toml',
    sandboxer: 'virtiofs',
    start: () => startExampleController({ version: '2.4.2' }),
  },
  shim: {
    file: 'containerd/shim/containerd.toml',
    sandboxer: 'shim',
    start: () => {
      const imports = [exampleFile('containerd/shim/containerd.toml')];
      return startExampleContainerd({ version: '2.4.2', config: 'containerd/config.toml', imports });
    },
  },
};

for (const { file, sandboxer, start } of Object.values(ways)) {
  test(`examples/${file}: its runtime makes pods with the shares of config.toml`, { skip }, async () => {
    await using containerd = await start();
    using grpc = connectGrpc(containerd.address);
    const cri = RuntimeService.method;
    const request = { config: hostNetworkPod({ name: 'pod' }), runtimeHandler: 'virtiofs' };
    const { podSandboxId } = await grpc.unary(cri.runPodSandbox, request);
    const records = await containerd.records();
    assert.deepEqual(Object.fromEntries(records.map(({ tag, ownsSource }) => [tag, ownsSource])), {
      scratch: true,
      models: false,
    });
    const owner = sandboxer === 'shim' ? 'shim' : 'controller';
    assert.deepEqual(new Set(records.map((record) => record.owner)), new Set([owner]));
    const models = records.find(({ tag }) => tag === 'models');
    const argv = await readFile(`/proc/${models?.pid}/cmdline`, 'utf8');
    assert.ok(argv.includes('--readonly'), argv);
    await grpc.unary(cri.stopPodSandbox, { podSandboxId });
    await grpc.unary(cri.removePodSandbox, { podSandboxId });
    assert.deepEqual(await containerd.leftovers(), []);
  });

  test(`examples/${file}: containerd takes it, and the options of README.md`, { skip }, async () => {
    await using place = await temporaryDirectory();
    const copy = join(place.path, 'virtiofs.toml');
    const readme = await readFile(exampleFile('containerd/README.md'), 'utf8');
    const snippets = [...readme.matchAll(/^```toml\n(.*?)^```$/gms)].map(([, text]) => text);
    assert.equal(snippets.length, 1);
    await writeFile(copy, [await readFile(exampleFile(file), 'utf8'), ...snippets].join('\n'));
    // Where containerd ignored a key, it would not start.
    await using containerd = await startContainerd({ version: '2.4.2', imports: [copy] });
    const program = join(await containerdBinaries('2.4.2'), 'containerd');
    const config = join(containerd.dir, 'config.toml');
    const { stdout } = await execa(program, ['--config', config, 'config', 'dump']);
    const taken = parse(stdout) as unknown as Taken;
    const cri = taken.plugins['io.containerd.cri.v1.runtime'];
    assert.equal(cri.stats_collect_period, '5s');
    const { options, ...handler } = cri.containerd.runtimes['virtiofs'] ?? {};
    assert.deepEqual(
      [handler.sandboxer, options?.ConfigPath],
      [sandboxer, '/etc/containerd-shim-virtiofs/other.toml'],
    );
    const plugin = taken.proxy_plugins?.[sandboxer];
    const socket = `${parseConfig({ version: 1 }).state}/grpc.sock`;
    assert.deepEqual(
      [plugin?.type, plugin?.address],
      sandboxer === 'shim' ? [undefined, undefined] : ['sandbox', socket],
    );
  });
}

test('startContainerd() rejects where containerd ignores a key', async () => {
  const extraConfig = '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.a]\nstats_period = "3s"\n';
  await assert.rejects(startContainerd({ version: '2.4.2', extraConfig }), /runtimes a stats_period/);
});

/** What the test reads of the configuration that containerd goes by. */
interface Taken {
  readonly proxy_plugins?: Readonly<Record<string, { type: string; address: string }>>;
  readonly plugins: {
    readonly 'io.containerd.cri.v1.runtime': {
      readonly stats_collect_period: string;
      readonly containerd: {
        readonly runtimes: Record<string, { sandboxer?: string; options?: { ConfigPath?: string } }>;
      };
    };
  };
}
