import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { hostNetworkPod } from '../../harness/containerd/pods.ts';
import { RuntimeService } from '../../harness/containerd/proto/cri_pb.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';
import { exampleFile, runSession, startExampleContainerd } from '../../harness/containerd/examples.ts';

const { skip } = await obtainOrSkip('virtiofsd-rust');

for (const version of containerdVersions) {
  test(`examples/containerd/session.sh runs as written with containerd ${version}`, { skip }, async () => {
    await using containerd = await startExampleContainerd({ version, config: 'containerd/config.toml' });
    const { stdout, stderr, code } = await runSession(containerd, 'containerd/session.sh');
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

test(
  'examples/containerd: its runtime makes pods with the shares of its configuration',
  { skip },
  async () => {
    const imports = [exampleFile('containerd/containerd.toml')];
    await using containerd = await startExampleContainerd({
      version: '2.4.2',
      config: 'containerd/config.toml',
      imports,
    });
    using grpc = connectGrpc(containerd.address);
    const cri = RuntimeService.method;
    const request = { config: hostNetworkPod({ name: 'pod' }), runtimeHandler: 'virtiofs' };
    const { podSandboxId } = await grpc.unary(cri.runPodSandbox, request);
    const records = await containerd.records();
    assert.deepEqual(Object.fromEntries(records.map(({ tag, ownsSource }) => [tag, ownsSource])), {
      scratch: true,
      models: false,
    });
    const models = records.find(({ tag }) => tag === 'models');
    const argv = await readFile(`/proc/${models?.pid}/cmdline`, 'utf8');
    assert.ok(argv.includes('--readonly'), argv);
    await grpc.unary(cri.stopPodSandbox, { podSandboxId });
    await grpc.unary(cri.removePodSandbox, { podSandboxId });
  },
);
