import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { exampleFile, runSession, startExampleContainerd } from '../../harness/containerd/examples.ts';
import { startJaeger } from '../../harness/containerd/jaeger.ts';
import { outline, tree } from '../../harness/containerd/span-tree.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';

const { skip } = await obtainOrSkip('virtiofsd-rust');
const service = 'containerd-shim-virtiofs';

test(
  'examples/jaeger: its session leaves traces of a sandbox and of a failure in its Jaeger',
  { skip },
  async () => {
    // Started with examples/jaeger/jaeger.yaml.
    await using jaeger = await startJaeger();
    const collector = 'http://127.0.0.1:4318';
    const dropIn = await readFile(exampleFile('jaeger/containerd.conf'), 'utf8');
    const env = Object.fromEntries(
      [...dropIn.matchAll(/^Environment=(\w+)=(.*)$/gm)].map(([, key = '', value = '']) => [
        key,
        value.replace(collector, jaeger.otlpEndpoint),
      ]),
    );
    assert.deepEqual(Object.keys(env).toSorted(), [
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'OTEL_EXPORTER_OTLP_PROTOCOL',
    ]);
    await using containerd = await startExampleContainerd({
      version: '2.4.2',
      config: 'jaeger/config.toml',
      replace: { [collector]: jaeger.otlpEndpoint },
      // containerd would keep its spans for five seconds.
      env: { ...env, OTEL_BSP_SCHEDULE_DELAY: '100' },
    });
    const { stdout, stderr, code } = await runSession(containerd, 'jaeger/session.sh');
    assert.equal(code, 0, stderr);
    assert.ok(stdout.includes('It failed, as it should.'));
    assert.ok(stdout.endsWith(`search?service=${service}`));

    const spans = await jaeger.findTraces({
      service,
      operation: 'virtiofsd.start',
      until: (found) =>
        found.filter(({ name, service: of }) => of === 'containerd' && name.endsWith('/CreateSandbox'))
          .length === 2,
    });
    const text = outline(tree(spans));
    // containerd's own spans are in the same traces.
    assert.match(text, /\[containerd\] containerd\.runtime\.sandbox\.v1\.Sandbox\/CreateSandbox/);
    assert.equal(text.match(/\[containerd-shim-virtiofs\] virtiofsd\.spawn/g)?.length, 2, text);
    assert.match(text, /virtiofsd\.start .*ERROR .*"\/not\/there"/);
    assert.deepEqual(await containerd.leftovers(), []);
  },
);
