import { spawn } from 'node:child_process';

/**
 * Waits until this process alone holds the lock file `path`, then resolves to the function that releases it.
 * flock(1) holds it for us until its standard input ends, so the kernel frees it however this process dies.
 * `onWait` is called once when another process holds the lock.
 */
export async function acquireLock(path, { onWait = () => {}, signal } = {}) {
  signal?.throwIfAborted();
  const holder = spawn('flock', ['--no-fork', path, 'sh', '-c', 'echo locked; exec cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => holder.on('close', resolve));
  const waiting = setTimeout(onWait, 300);
  const abort = () => holder.kill();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await new Promise((resolve, reject) => {
      holder.stdout.once('data', resolve);
      holder.once('error', reject);
      holder.once('close', () => reject(new Error(`Cannot lock "${path}": flock ended too early`)));
    });
    if (signal?.aborted) await ended;
    signal?.throwIfAborted();
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(waiting);
    signal?.removeEventListener('abort', abort);
  }
  return async () => {
    holder.stdin.end();
    await ended;
  };
}
