import { setTimeout as delay } from 'node:timers/promises';
import type { Host } from '../../../src/index.ts';
import { startBareDaemon } from '../bare-spawn.ts';
import { compilePeer } from '../compile-peer.ts';
import { startLineProcess, type LineProcess } from '../line-process.ts';
import { measureInTurn, toRows, type Contestants } from '../rows.ts';
import type { Suite } from '../suite.ts';
import { obtainVirtiofsds } from '../virtiofsds.ts';
import { commandLine, openBenchHost, openWorkbench } from '../workbench.ts';

/** How long the machine may calm down after the daemon before, in milliseconds. */
const PAUSE_MS = 5;

/**
 * From create to the daemon's first vhost-user answer.
 *
 * Both sides are measured over the same interval: it begins before the call (of openShare() on a warm host; of the C
 * program's bind, listen and posix_spawn with the same command line), and ends when a client has the answer to
 * VHOST_USER_GET_FEATURES. That client is the same C code on both sides, in a process that waits at a pipe for the
 * socket's path, as a VMM is told it; each takes the time of the answer by itself, from the one clock of the machine.
 */
export const coldShare: Suite = {
  name: 'cold-share',
  description: "from create to the daemon's first vhost-user answer, against a C program",
  async run({ isQuick, signal }) {
    await using stack = new AsyncDisposableStack();
    const workbench = stack.use(await openWorkbench());
    const program = await compilePeer(workbench.directory, { signal });
    const client = stack.use(startLineProcess(program, ['client']));
    const { found, notes } = await obtainVirtiofsds();
    const contestants: Record<string, Contestants[string]> = {};
    const peers: Record<string, string> = {};
    for (const virtiofsd of found) {
      // oxlint-disable-next-line no-await-in-loop -- set-up, not measured
      const host = stack.use(await openBenchHost(virtiofsd, workbench));
      const peer = stack.use(startLineProcess(program, ['daemon', ...commandLine(virtiofsd, workbench)]));
      const names = (who: string): Names => ({
        answer: `${virtiofsd.label}: first answer, ${who}`,
        started: `${virtiofsd.label}: started, ${who}`,
      });
      const [ours, bare, theirs] = [names('host'), names('bare execa'), names('C program')];
      const command = commandLine(virtiofsd, workbench);
      contestants[ours.answer] = () => measureHost(host, { client, source: workbench.source, names: ours });
      contestants[bare.answer] = () =>
        measureBare(command, { client, directory: workbench.directory, names: bare });
      contestants[theirs.answer] = () => measurePeer(peer, { directory: workbench.directory, names: theirs });
      for (const { answer, started } of [ours, bare]) {
        peers[answer] = theirs.answer;
        peers[started] = theirs.started;
      }
    }
    const samples = await measureInTurn(contestants, { rounds: isQuick ? 20 : 200, warmUp: 10, signal });
    return {
      rows: toRows(samples, { peers }),
      notes: [
        ...notes,
        'started: openShare() has resolved; execa() or posix_spawn() has returned',
        "bare execa: bind and execa in the host's process and nothing else; what it needs more than C is Node's fork",
      ],
    };
  },
};

interface Names {
  readonly answer: string;
  readonly started: string;
}

async function measureHost(
  host: Host,
  { client, source, names }: { client: LineProcess; source: string; names: Names },
): Promise<Record<string, number>> {
  await delay(PAUSE_MS);
  const start = process.hrtime.bigint();
  await using share = await host.openShare({ sandboxId: 'bench', tag: 'bench', source });
  const answered = client.ask(share.socketPath);
  const started = process.hrtime.bigint();
  const answer = BigInt(await answered);
  await share.closed; // the client has left
  return { [names.answer]: toMs(answer - start), [names.started]: toMs(started - start) };
}

async function measureBare(
  command: readonly string[],
  { client, directory, names }: { client: LineProcess; directory: string; names: Names },
): Promise<Record<string, number>> {
  await delay(PAUSE_MS);
  const start = process.hrtime.bigint();
  await using daemon = startBareDaemon(command, directory);
  const answered = client.ask(daemon.socketPath);
  const started = process.hrtime.bigint();
  return { [names.answer]: toMs(BigInt(await answered) - start), [names.started]: toMs(started - start) };
}

async function measurePeer(
  peer: LineProcess,
  { directory, names }: { directory: string; names: Names },
): Promise<Record<string, number>> {
  await delay(PAUSE_MS);
  const line = await peer.ask(`cold ${directory}/peer.sock ${directory}/peer.log`);
  const [start, started, answer] = line.split(' ').map(BigInt) as [bigint, bigint, bigint];
  return { [names.answer]: toMs(answer - start), [names.started]: toMs(started - start) };
}

const toMs = (nanoseconds: bigint): number => Number(nanoseconds) / 1e6;
