import { execa } from 'execa';
import { once } from 'node:events';
import { Code, StatusError } from 'ttrpc-ts';

/** flock(1)'s exit status for "somebody else holds it". */
const CONFLICT = 75;

/**
 * Locks a file for as long as this process lives, or until disposal. A child holds it, because Node.js has no flock(2)
 * and a descriptor of ours would go to the daemons, which outlive us; the child ends when its standard input does.
 *
 * @throws StatusError FailedPrecondition while another host holds it
 */
export async function lockFile(path: string): Promise<AsyncDisposable> {
  const subprocess = execa(
    'flock',
    ['--nonblock', '--conflict-exit-code', `${CONFLICT}`, '--no-fork', path, 'sh', '-c', 'echo; exec cat'],
    {
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
      cleanup: false,
      buffer: false,
      reject: false,
    },
  );
  const held = await Promise.race([once(subprocess.stdout, 'data').then(() => undefined), subprocess]);
  if (held) {
    throw lockError(path, held);
  }
  subprocess.stdout.resume();
  return {
    async [Symbol.asyncDispose]() {
      subprocess.stdin.end();
      await subprocess;
    },
  };
}

function lockError(
  path: string,
  { exitCode, code }: { exitCode?: number | undefined; code?: string | undefined },
): StatusError {
  if (exitCode === CONFLICT) {
    const remedy = 'end it, or give this one a state directory of its own';
    return new StatusError(Code.FailedPrecondition, `Another host uses "${path}": ${remedy}`);
  }
  return code === 'ENOENT'
    ? new StatusError(Code.Unavailable, `Cannot lock "${path}": there is no flock(1): install util-linux`)
    : new StatusError(
        Code.Unavailable,
        `Cannot lock "${path}": flock ended with ${exitCode ?? code}: check that its directory is writable`,
      );
}
