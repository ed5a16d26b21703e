import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { PluginContext, ShareRequest } from '../../src/share/contract.ts';
import { createDaemons } from '../../src/daemon/pool/pool.ts';
import { openStateDirectory } from '../../src/share/state-directory.ts';
import { captureLog, type CapturedLog } from './captured-log.ts';
import { temporaryDirectory, type TemporaryDirectory } from './temporary-directory.ts';

/** What a host gives to a plugin, on a state directory of its own. */
export interface TestContext extends AsyncDisposable {
  readonly context: PluginContext;
  readonly state: string;
  readonly directory: TemporaryDirectory;
  /** A directory to share. */
  readonly source: string;
  readonly captured: CapturedLog;
}

/** Makes a plugin's context. Disposal removes its directory. */
export async function pluginContext(): Promise<TestContext> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const captured = captureLog();
  const state = join(directory.path, 'state');
  const source = join(directory.path, 'source');
  await mkdir(source);
  const { log } = captured;
  const stateDir = openStateDirectory(state, { log });
  const daemons = stack.use(createDaemons({ log, socketDirectory: stateDir.socketDirectory }));
  stack.use(stateDir.trash);
  const own = stack.move();
  return {
    context: { config: {}, log, stateDir, daemons, required: new Map() },
    state,
    directory,
    source,
    captured,
    [Symbol.asyncDispose]: () => own.disposeAsync(),
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
  outlivesHost: false,
  createdAt: new Date(),
  profile: '(options)',
  ...options,
});
