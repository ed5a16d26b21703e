import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Host } from '../../../src/index.ts';
import { compilePeer } from '../compile-peer.ts';
import { startLineProcess, type LineProcess } from '../line-process.ts';
import { measureInTurn, toRows, type Contestants } from '../rows.ts';
import type { Suite } from '../suite.ts';
import { obtainVirtiofsds } from '../virtiofsds.ts';
import { commandLine, openBenchHost, openWorkbench } from '../workbench.ts';

/** How long a daemon waits before it is stopped, in milliseconds; the C program's has the same. */
const SETTLE_MS = 20;

/** From the close of a share that waits for its VMM until process and socket are gone; the C program signals, waits and unlinks. */
export const stop: Suite = {
  name: 'stop',
  description: 'from the close of a waiting share until process and socket are gone, against a C program',
  async run({ isQuick, signal }) {
    await using stack = new AsyncDisposableStack();
    const workbench = stack.use(await openWorkbench());
    const program = await compilePeer(workbench.directory, { signal });
    const { found, notes } = await obtainVirtiofsds();
    const contestants: Record<string, Contestants[string]> = {};
    const peers: Record<string, string> = {};
    for (const virtiofsd of found) {
      // oxlint-disable-next-line no-await-in-loop -- set-up, not measured
      const host = stack.use(await openBenchHost(virtiofsd, workbench));
      const peer = stack.use(startLineProcess(program, ['daemon', ...commandLine(virtiofsd, workbench)]));
      const ours = `${virtiofsd.label}: host`;
      const theirs = `${virtiofsd.label}: C program`;
      contestants[ours] = async () => ({ [ours]: await measureHost(host, workbench.source) });
      contestants[theirs] = async () => ({ [theirs]: await measurePeer(peer, workbench.directory) });
      peers[ours] = theirs;
    }
    const samples = await measureInTurn(contestants, { rounds: isQuick ? 10 : 100, warmUp: 5, signal });
    return { rows: toRows(samples, { peers }), notes };
  },
};

async function measureHost(host: Host, source: string): Promise<number> {
  await using share = await host.openShare({ sandboxId: 'bench', tag: 'bench', source });
  await share.ready;
  await delay(SETTLE_MS);
  const start = performance.now();
  await share[Symbol.asyncDispose]();
  const duration = performance.now() - start;
  for (const path of [`/proc/${share.pid}`, share.socketPath]) {
    if (existsSync(path)) throw new Error(`"${path}" is there after the share was closed`);
  }
  return duration;
}

async function measurePeer(peer: LineProcess, directory: string): Promise<number> {
  const line = await peer.ask(`stop ${directory}/peer.sock ${directory}/peer.log`);
  const [start, end] = line.split(' ').map(BigInt) as [bigint, bigint];
  return Number(end - start) / 1e6;
}
