import { join } from 'node:path';
import type { RecordFile } from './record-file.ts';

/** The files of one sandbox, beside the directories of its shares. */
export interface SandboxFiles extends RecordFile {
  readonly directory: string;
  /** What stands for the record while the sandbox is being made. */
  readonly begunRecord: string;
}

const RECORD = 'sandbox.json';
const NEW_RECORD = `${RECORD}.new`;
const BEGUN_RECORD = `${RECORD}.begun`;

/** The files of the sandbox that has `directory`. */
export const sandboxFiles = (directory: string): SandboxFiles => ({
  directory,
  record: join(directory, RECORD),
  newRecord: join(directory, NEW_RECORD),
  begunRecord: join(directory, BEGUN_RECORD),
});

/** The name of a share's directory in its sandbox's: no other tag has it, and none of the sandbox's own files. */
export function shareFolder(tag: string): string {
  const name = encodeURIComponent(tag);
  // encodeURIComponent() leaves letters as they are.
  return [RECORD, NEW_RECORD, BEGUN_RECORD].includes(name) ? `%73${name.slice(1)}` : name;
}
