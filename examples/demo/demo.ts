import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { openHost, qemuArguments, sendTraceContext, serve, type ShareStatus } from 'containerd-shim-virtiofs';
import { connect, createClient } from 'ttrpc-ts';
import { Sandbox } from '../../src/proto/containerd/sandbox_pb.ts';
import { runGuest } from '../../test/harness/guest/run-guest.ts';
import { formatSpans } from './format-spans.ts';
import { runInterruptible } from './interruptible.ts';
import { done, show, step } from './progress.ts';

const CONFIG = fileURLToPath(new URL('config.toml', import.meta.url));
// Not the same name twice: a demo that was killed may have left its sandbox.
const SANDBOX = `demo-${process.pid}`;
const MEMORY_MIB = 256;
const GUEST_SCRIPT = `
mount -t virtiofs demo /mnt || exit 1
echo "guest reads: $(cat /mnt/from-host.txt)"
echo "written by $(uname -sr) in the guest" > /mnt/from-guest.txt
umount /mnt
`;

await runInterruptible(runDemo);

async function runDemo(signal: AbortSignal): Promise<void> {
  const spans = new InMemorySpanExporter();
  await using stack = new AsyncDisposableStack();
  const bundle = await mkdtemp(join(tmpdir(), 'csv-demo-'));
  stack.defer(() => rm(bundle, { recursive: true, force: true }));
  const shared = await writeBundle(bundle);

  step('host', `reads ${CONFIG} and loads its plugins`);
  const spanProcessors = [new SimpleSpanProcessor({ exporter: spans })];
  const host = await openHost({ config: CONFIG, spanProcessors });
  stack.defer(() => rm(host.config.state, { recursive: true, force: true }));
  stack.use(host);
  signal.throwIfAborted();
  const { address } = stack.use(await serve(host));
  const plugins = [...host.profile.plugins.provided].map(
    ([value, plugin]) => `${plugin} provides "${value}"`,
  );
  done(`${plugins.join(', ')}; ttrpc on ${address}`);

  const transport = stack.use(await connect({ path: address, signal, interceptors: [sendTraceContext] }));
  const client = createClient(Sandbox, transport);
  const seen = await trace.getTracer('demo').startActiveSpan('demo', async (span) => {
    try {
      step('create', `CreateSandbox "${SANDBOX}" and StartSandbox over ttrpc, as containerd calls them`);
      await client.createSandbox({ sandboxId: SANDBOX, bundlePath: bundle }, { signal });
      const { pid } = await client.startSandbox({ sandboxId: SANDBOX }, { signal });
      const { info } = await client.sandboxStatus({ sandboxId: SANDBOX, verbose: true }, { signal });
      const share = JSON.parse(info['share.demo'] ?? '{}') as ShareStatus;
      done(`virtiofsd ${pid} serves ${share.sharedDir} as "${share.tag}" on ${share.socketPath}`);

      step('guest', 'boots Linux in QEMU (emulated, a few seconds), mounts the tag, reads and writes');
      const guest = await runGuest({
        script: GUEST_SCRIPT,
        memoryMiB: MEMORY_MIB,
        qemuArguments: qemuArguments([share], { memoryMiB: MEMORY_MIB }),
        signal,
      });
      if (guest.code !== 0)
        throw new Error(`the guest's script exited with code ${guest.code}: ${guest.output}`);
      done('powered off');

      step('delete', `StopSandbox and ShutdownSandbox "${SANDBOX}"`);
      await client.stopSandbox({ sandboxId: SANDBOX }, { signal });
      await client.shutdownSandbox({ sandboxId: SANDBOX }, { signal });
      done(
        `process ${pid} ${existsSync(`/proc/${pid}`) ? 'STILL RUNS' : 'is gone'}, socket ${existsSync(share.socketPath) ? 'STILL THERE' : 'is gone'}`,
      );
      return guest.lines.find((line) => line.startsWith('guest reads: ')) ?? '';
    } finally {
      span.end();
    }
  });

  show("The host's file, as the guest read it", seen.replace('guest reads: ', ''));
  show(
    "The guest's file, as the host reads it",
    (await readFile(join(shared, 'from-guest.txt'), 'utf8')).trim(),
  );
  show('The spans of this run', formatSpans(spans.getFinishedSpans()));
}

/** A bundle as containerd makes one: the spec's mount of type virtiofs is the share, its destination the tag. */
async function writeBundle(bundle: string): Promise<string> {
  const shared = await mkdtemp(join(bundle, 'shared-'));
  await writeFile(join(shared, 'from-host.txt'), 'written by the host\n');
  const spec = { ociVersion: '1.2.0', mounts: [{ type: 'virtiofs', source: shared, destination: 'demo' }] };
  await writeFile(join(bundle, 'config.json'), JSON.stringify(spec));
  return shared;
}
