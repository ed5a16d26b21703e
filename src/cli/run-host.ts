import { closeSync, existsSync, openSync, writeSync } from 'node:fs';
import { closeInherited } from '../proc/close-inherited.ts';
import { untilIdle } from '../services/idle.ts';
import { serve } from '../services/serve.ts';
import { openHost } from '../host/host.ts';

/** How the command `serve` runs. */
export interface RunHostOptions {
  /** The configuration file that was asked for. */
  readonly config: string | undefined;
  /** Used where none was asked for; where it does not exist either, the defaults hold. */
  readonly defaultConfig: string;
  /** Tell the address on standard output, for the shim's `start`, which waits for it. */
  readonly announce: boolean;
  /** End after so long without sandboxes, in milliseconds. */
  readonly idleTimeoutMs: number | undefined;
}

/** Runs a host until SIGINT or SIGTERM, or until it is idle. Its shares stay. */
export async function runHost(options: RunHostOptions): Promise<void> {
  const { config, defaultConfig, announce, idleTimeoutMs } = options;
  if (announce) closeInherited();
  const ending = new AbortController();
  const ended = new Promise<string>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, resolve);
  });
  await using stack = new AsyncDisposableStack();
  const host = await openHost({
    config: config ?? (existsSync(defaultConfig) ? defaultConfig : { version: 1 }),
  });
  stack.defer(() => host.detach());
  const serving = stack.use(await serve(host));
  if (announce) announceAddress(serving.address);

  const idle =
    idleTimeoutMs === undefined
      ? undefined
      : untilIdle({ host, serving }, { timeoutMs: idleTimeoutMs, signal: ending.signal }).catch(
          (error: unknown) => {
            if (!ending.signal.aborted)
              host.log.error({ err: error }, 'Cannot tell whether this host is idle');
          },
        );
  const reason = await Promise.race([ended, ...(idle ? [idle] : [])]);
  ending.abort();
  const sandboxes = host.sandboxes.list().length;
  host.log.info({ reason: typeof reason === 'string' ? reason : 'idle', sandboxes }, 'Ending; shares stay');
  await stack.disposeAsync();
  // The lock on starts goes last: a start that waits for it must not find this host.
  await (await idle)?.[Symbol.asyncDispose]();
}

/** Whoever waits for the address waits for the end of our output too. */
function announceAddress(address: string): void {
  writeSync(1, `${address}\n`);
  closeSync(1);
  openSync('/dev/null', 'w');
}
