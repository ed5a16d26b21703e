import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';
import { loadExeca } from '../proc/execa.ts';

/** systemd may be stuck, and a host is not to be for that, in milliseconds. */
const TIMEOUT_MS = 5000;

/**
 * Tells systemd that this process serves, where its unit has `Type=notify`. Node.js has no datagrams on unix sockets:
 * systemd-notify(1) sends it, with this process's pid, so that `NotifyAccess=main` will do.
 */
export async function notifyReady(log: Logger, environment: NodeJS.ProcessEnv = process.env): Promise<void> {
  const { NOTIFY_SOCKET, PATH } = environment;
  if (!NOTIFY_SOCKET) return;
  try {
    const execa = await loadExeca();
    await execa('systemd-notify', [`--pid=${process.pid}`, '--ready'], {
      stdio: 'ignore',
      timeout: TIMEOUT_MS,
      extendEnv: false,
      env: { NOTIFY_SOCKET, ...(PATH === undefined ? {} : { PATH }) },
    });
  } catch (error) {
    log.warn(
      { err: messageOf(error) },
      'Cannot tell systemd that this host serves: its unit needs Type=exec then',
    );
  }
}
