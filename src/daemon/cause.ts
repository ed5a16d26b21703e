import type { ExitCause } from '../errors.ts';
import { wasKilledForMemory, type FilterKill } from '../proc/kernel-kills.ts';
import { UNKNOWN_SIGNAL, type DaemonEnd, type DaemonExit, type EndMeaning } from './exit.ts';
import type { DaemonTraits } from './spec.ts';

/** What is known of a daemon that has ended, besides its status. */
export interface Circumstances {
  readonly spec: DaemonTraits;
  readonly pid: number;
  /** What it executed. */
  readonly command: string;
  /** What this process asked it to end for. */
  readonly asked: 'stopped' | 'no-client' | 'disconnected' | undefined;
  /** True where it never waited for its VMM. */
  readonly isStarting: boolean;
  /** How many processes the kernel has killed for want of memory while this one ran. */
  readonly memoryKills: number;
  readonly uptimeMs: number;
  /** What the kernel's log says where its end is mysterious. */
  readonly filterKill?: FilterKill | undefined;
}

/** True where something ended it of which neither its status nor its words tell: the kernel may. */
export const isMysterious = (end: DaemonEnd, { workerSignal }: EndMeaning): boolean =>
  workerSignal === UNKNOWN_SIGNAL ||
  (end.signal === undefined &&
    workerSignal === undefined &&
    end.exitCode !== 0 &&
    end.lastLines.length === 0);

/** Names the one cause of a daemon's end, and puts it in a sentence. */
export function explainExit(end: DaemonEnd, meaning: EndMeaning, known: Circumstances): DaemonExit {
  const { uptimeMs } = known;
  const { cause, workerSignal, why } = diagnose(end, meaning, known);
  const message = `${known.spec.name} ${describeStatus(end, workerSignal)}${why ? `: ${why}` : ''}`;
  const worker = workerSignal === undefined ? {} : { workerSignal };
  return { ...end, cause, message, exitedAt: new Date(), uptimeMs, ...worker };
}

interface Diagnosis {
  readonly cause: ExitCause;
  readonly workerSignal?: string | undefined;
  /** What the status does not say. */
  readonly why?: string | undefined;
}

function diagnose(end: DaemonEnd, meaning: EndMeaning, known: Circumstances): Diagnosis {
  const { asked, spec } = known;
  if (asked === 'stopped') return { cause: asked, why: 'it was stopped' };
  if (asked === 'no-client') return { cause: asked, why: noClientMessage(spec) };
  if (asked === 'disconnected') return { cause: asked, why: ITS_VMM_LEFT };
  const signalled = ofKernel(end, meaning, known);
  if (signalled) return signalled;
  const cause = ofItself(end, meaning, known);
  return { cause, why: cause === 'disconnected' ? ITS_VMM_LEFT : meaning.words };
}

/** What a signal tells, of the daemon or of its worker, and what the kernel says of it. */
function ofKernel(end: DaemonEnd, meaning: EndMeaning, known: Circumstances): Diagnosis | undefined {
  const { workerSignal, words } = meaning;
  const signal = end.signal ?? workerSignal;
  const isUnknown = signal === UNKNOWN_SIGNAL;
  if (known.filterKill) {
    return { cause: 'seccomp', workerSignal: 'SIGSYS', why: forbidden(String(known.filterKill.systemCall)) };
  }
  if (signal === 'SIGSYS') return { cause: 'seccomp', workerSignal, why: forbidden() };
  if ((signal === 'SIGKILL' || isUnknown) && known.memoryKills > 0 && wasKilledForMemory(known)) {
    return { cause: 'out-of-memory', workerSignal, why: SHORT_OF_MEMORY };
  }
  return signal === undefined ? undefined : { cause: 'crashed', workerSignal, why: words };
}

/** What its status and its plugin tell, where no signal ended it. */
function ofItself(end: DaemonEnd, meaning: EndMeaning, { isStarting, spec }: Circumstances): ExitCause {
  // One whose output does not reach us may have had its VMM before it counted as waiting.
  const neverWaited = isStarting && !('settleMs' in spec.ready && end.exitCode === 0);
  const { cause = 'failed' } = meaning;
  return neverWaited && (cause === 'failed' || cause === 'disconnected') ? 'start-failed' : cause;
}

/** `exited with code 1`, `was killed by SIGKILL`, … */
function describeStatus({ exitCode, signal }: DaemonEnd, workerSignal: string | undefined): string {
  if (signal !== undefined) return `was killed by ${signal}`;
  const status = exitCode === undefined ? 'ended with an unknown status' : `exited with code ${exitCode}`;
  return workerSignal === undefined ? status : `${status}, its worker killed by ${workerSignal}`;
}

const ITS_VMM_LEFT = 'its VMM has left';

const SHORT_OF_MEMORY =
  'memory was short, and the kernel killed it: raise the memory limit or move load away';

const forbidden = (systemCall?: string): string =>
  `its seccomp filter forbids ${systemCall === undefined ? 'a system call' : `system call ${systemCall}`}`;

/** Why a daemon is given up whose VMM does not come. */
const noClientMessage = ({ socketPath, clientTimeoutMs = 0, clientTimeoutRemedy }: DaemonTraits): string => {
  const remedy = clientTimeoutRemedy ? `, or ${clientTimeoutRemedy}` : '';
  const check = `check that the VMM runs and was given this socket${remedy}`;
  return `no VMM connected to "${socketPath}" within ${clientTimeoutMs} ms: ${check}`;
};

/** What an end means where no plugin says it: status 0 is its VMM's leaving, and its last line says why. */
export const explainPlainly = ({ exitCode, signal, lastLines }: DaemonEnd): EndMeaning => ({
  cause: exitCode === 0 ? 'disconnected' : 'failed',
  words: signal === undefined ? lastLines.at(-1) : undefined,
});
