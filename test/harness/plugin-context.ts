import { join } from 'node:path';
import { tracer } from '../../src/tracing/span.ts';
import type { PluginContext, ShareRequest } from '../../src/share/contract.ts';
import { openStateDirectory } from '../../src/share/state-directory.ts';
import { captureLog, type CapturedLog } from './captured-log.ts';
import { temporaryDirectory, type TemporaryDirectory } from './temporary-directory.ts';

/** What a host gives to a plugin, on a state directory of its own. */
export interface TestContext extends AsyncDisposable {
  readonly context: PluginContext;
  readonly state: string;
  readonly directory: TemporaryDirectory;
  readonly captured: CapturedLog;
}

/** Makes a plugin's context. Disposal removes its directory. */
export async function pluginContext(): Promise<TestContext> {
  const directory = await temporaryDirectory();
  const captured = captureLog();
  const state = join(directory.path, 'state');
  const stateDir = openStateDirectory(state);
  const context = { config: {}, log: captured.log, tracer: tracer(), stateDir };
  return {
    context: { ...context, daemons: (start) => start() },
    state,
    directory,
    captured,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** A request for the share `work` of sandbox `a`. */
export const shareRequest = (options: Partial<ShareRequest> = {}): ShareRequest => ({
  namespace: 'default',
  sandboxId: 'a',
  tag: 'work',
  readOnly: false,
  sharedFs: 'virtio-fs',
  owner: 'library',
  ...options,
});
