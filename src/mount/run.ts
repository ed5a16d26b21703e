import { execa } from 'execa';
import { Code, StatusError } from 'ttrpc-ts';
import { abortable } from '../async/abortable.ts';
import { takeTurn } from '../async/take-turn.ts';

/** How long mount(8) and umount(8) may take where nobody says it, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** How one of them is run. */
export interface MountOptions {
  readonly signal?: AbortSignal | undefined;
  /** In milliseconds. @default 10000 */
  readonly timeoutMs?: number | undefined;
}

/**
 * Runs mount(8) or umount(8), which may hang as the file system does that it touches: then it is killed and given up, and
 * neither the event loop nor another call waits for it.
 *
 * @param about names it in errors
 * @param options.fd becomes its descriptor 0
 * @throws StatusError Unavailable with its words, DeadlineExceeded; the signal's reason
 */
export async function runMount(
  program: 'mount' | 'umount',
  args: readonly string[],
  {
    about,
    fd = 'ignore',
    signal,
    timeoutMs = TIMEOUT_MS,
  }: MountOptions & { about: string; fd?: number | 'ignore' | undefined },
): Promise<void> {
  await takeTurn();
  signal?.throwIfAborted();
  const subprocess = execa(program, args, {
    // As a 3, the type of the numbers that execa lists.
    stdin: fd as 3 | 'ignore',
    stdout: 'ignore',
    detached: true,
    cleanup: false,
    reject: false,
    cwd: '/',
    env: { LC_ALL: 'C' },
  });
  const limit = AbortSignal.timeout(timeoutMs);
  const either = signal ? AbortSignal.any([signal, limit]) : limit;
  const { failed, stderr, shortMessage } = await abortable(subprocess, either).catch((error: unknown) => {
    const child = subprocess.nodeChildProcess;
    child?.kill('SIGKILL');
    child?.stderr?.destroy();
    child?.unref();
    if (error !== limit.reason) throw error;
    const message = `Cannot ${program} "${about}": no answer within ${timeoutMs} ms: its file system hangs: check its server`;
    throw new StatusError(Code.DeadlineExceeded, message);
  });
  if (failed)
    throw new StatusError(Code.Unavailable, `Cannot ${program} "${about}": ${stderr || shortMessage}`);
}
