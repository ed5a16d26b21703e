import { messageOf, StatusError, type Provider } from 'containerd-shim-virtiofs/plugin';
import type { VirtiofsConfig } from './config.ts';
import { findDaemon } from './find.ts';
import { identifyDaemon } from './probe.ts';
import { refuseRustOnly, requireDaemon, requireKnownArgs } from './validate.ts';

/** Refuses what the start of each of these shares would refuse, but for its source, which may come later. */
export async function checkSettings(
  config: VirtiofsConfig,
  ...[shares, { signal }]: Parameters<NonNullable<Provider['check']>>
): Promise<void> {
  const { cache, startTimeoutMs: timeoutMs } = config;
  const daemonPath = config.daemonPath ?? (await findDaemon());
  await requireDaemon(daemonPath, { signal, timeoutMs });
  const { dialect } = await identifyDaemon({ ...config, daemonPath }, signal);
  requireKnownArgs(config, dialect);
  if (dialect !== 'c') return;
  refuseRustOnly({ cache, readOnly: false });
  for (const { tag, readOnly, cache: own = cache } of shares)
    inShare(tag, () => refuseRustOnly({ cache: own, readOnly }));
}

function inShare(tag: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!StatusError.is(error)) throw error;
    throw new StatusError(error.code, `Share "${tag}": ${messageOf(error)}`, { cause: error });
  }
}
