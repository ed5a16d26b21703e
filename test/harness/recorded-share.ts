import { mkdirSync } from 'node:fs';
import { writeRecord, type MountRecord, type ShareRecord } from '../../src/share/record.ts';
import { openStateDirectory, type ShareFiles, type StateDirectory } from '../../src/share/state-directory.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A share of which there is nothing but its record. Disposal removes it. */
export interface RecordedShare extends AsyncDisposable {
  readonly stateDir: StateDirectory;
  readonly files: ShareFiles;
}

const RECORD: ShareRecord = {
  namespace: 'default',
  sandboxId: 'a',
  tag: 'work',
  owner: 'library',
  outlivesHost: true,
  profile: '(options)',
  provider: 'virtio-fs',
  source: '/source',
  ownsSource: true,
  readOnly: false,
  queueSize: 1024,
  onExit: 'stop-sandbox',
  restarts: 0,
  socketPath: '/v.sock',
  bootId: 'boot',
  createdAt: '2026-11-26T00:00:00.000Z',
  mounts: [],
};

/** Records a share in a state directory of its own. */
export async function recordedShare(mounts: readonly MountRecord[] = []): Promise<RecordedShare> {
  const directory = await temporaryDirectory();
  const stateDir = openStateDirectory(directory.path);
  const files = stateDir.share('default', 'a', 'work');
  mkdirSync(files.directory, { recursive: true });
  writeRecord(files, { ...RECORD, mounts: [...mounts] });
  return { stateDir, files, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}
