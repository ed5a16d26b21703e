import { closeSync, openSync, watch, type FSWatcher } from 'node:fs';

/** How often a path is looked at that the kernel does not watch, in milliseconds. */
const POLL_MS = 250;

/**
 * Calls `onChange` whenever something at a path may have changed, until disposal; never keeps the process running. Where
 * the kernel has no more room for watching, it calls so often a second instead, and tells why by `onPolling`.
 */
export function watchPath(
  path: string,
  onChange: () => void,
  { onPolling }: { onPolling: (why: string) => void },
): Disposable {
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  const poll = (error: unknown): void => {
    if (timer) return;
    timer = setInterval(onChange, POLL_MS).unref();
    onPolling(reasonOf(error as NodeJS.ErrnoException));
  };
  try {
    watcher = watch(path, { persistent: false }, onChange);
    watcher.on('error', poll);
  } catch (error) {
    poll(error);
  }
  return {
    [Symbol.dispose]: () => {
      watcher?.close();
      clearInterval(timer);
    },
  };
}

/** Node has one word for no inotify instance and no descriptor; only the latter keeps a file from being opened. */
function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOSPC') return 'no inotify watch is left: raise fs.inotify.max_user_watches';
  if (code === 'EMFILE' && hasDescriptor())
    return 'no inotify instance is left: raise fs.inotify.max_user_instances';
  return message;
}

function hasDescriptor(): boolean {
  try {
    closeSync(openSync('/dev/null', 'r'));
    return true;
  } catch {
    return false;
  }
}
