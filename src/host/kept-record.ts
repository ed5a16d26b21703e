import type { Logger } from 'pino';
import { systemStatus } from '../proc/system-error.ts';
import { removeSandboxFiles } from '../share/remove.ts';
import { sandboxFiles, type SandboxFiles } from '../share/sandbox-files.ts';
import {
  beginSandboxRecord,
  commitSandboxRecord,
  writeSandboxRecord,
  type SandboxRecord,
} from '../share/sandbox-record.ts';
import type { StateDirectory } from '../share/state-directory.ts';

/** What becomes of a sandbox in its life. */
export type RecordChange = Partial<Pick<SandboxRecord, 'isStarted' | 'ending' | 'exit'>>;

/** What stands on disk of a sandbox, for the next host. */
export interface KeptRecord {
  /** Writes down that it is being made: the next host undoes what it finds of it. @throws what the file system says */
  begin(): void;
  /** Writes down that it has been made. @throws what the file system says */
  commit(): void;
  /** Writes it down, unless it is on disk. Where it cannot be written, the sandbox goes on all the same. */
  keep(): void;
  /** {@link keep}s what is new; of one that is to be deleted, nothing is. */
  change(news: RecordChange): void;
  /** {@link change}s what is no use but on disk. @throws what the file system says */
  insist(news: RecordChange): void;
  /** Leaves it to the next host: it is written no more. */
  letGo(): void;
  /** Removes it, and the sandbox's directory; it is written no more. */
  forget(): void;
}

/** For a sandbox that does not outlive its host: nothing of it is written down. */
export const NOT_KEPT: KeptRecord = {
  begin() {},
  commit() {},
  keep() {},
  change() {},
  insist() {},
  letGo() {},
  forget() {},
};

/** How a record is kept. */
export interface KeepOptions {
  readonly stateDir: StateDirectory;
  readonly log: Logger;
  /** What is on disk. `unreadable`: what this program cannot read, and does not overwrite. @default nothing */
  readonly found?: 'kept' | 'unreadable' | undefined;
}

const CANNOT_WRITE = 'Cannot write down what became of a sandbox';

/** Keeps the record of a sandbox. */
export const keepRecord = (record: SandboxRecord, options: KeepOptions): KeptRecord =>
  new RecordOnDisk(record, options);

class RecordOnDisk implements KeptRecord {
  readonly #files: SandboxFiles;
  readonly #options: KeepOptions;
  #record: SandboxRecord;
  #stage: 'none' | 'begun' | 'kept' | 'unreadable' | 'gone';
  /** True where what is on disk is no longer all. */
  #isBehind = false;

  constructor(record: SandboxRecord, options: KeepOptions) {
    const { namespace, sandboxId } = record;
    this.#record = record;
    this.#options = options;
    this.#files = sandboxFiles(options.stateDir.sandboxDirectory(namespace, sandboxId));
    this.#stage = options.found ?? 'none';
  }

  begin(): void {
    this.#use(() => beginSandboxRecord(this.#files, this.#record));
    this.#stage = 'begun';
  }

  commit(): void {
    if (this.#stage !== 'begun') return;
    this.#use(() => commitSandboxRecord(this.#files));
    this.#stage = 'kept';
    if (this.#isBehind) this.#tryToWrite();
  }

  keep(): void {
    if (this.#stage === 'none') this.#tryToWrite();
  }

  change(news: RecordChange): void {
    if (this.#take(news)) this.#tryToWrite();
  }

  insist(news: RecordChange): void {
    if (!this.#take(news)) return;
    try {
      this.#write();
    } catch (error) {
      throw systemStatus(error, { doing: CANNOT_WRITE }) ?? error;
    }
  }

  letGo(): void {
    this.#stage = 'gone';
  }

  forget(): void {
    this.#stage = 'gone';
    if (this.#options.stateDir.isInPlace()) removeSandboxFiles(this.#files);
  }

  /** True where what is new is to be written now, and not with the first that is. */
  #take(news: RecordChange): boolean {
    if (this.#record.ending === 'delete') return false;
    this.#record = { ...this.#record, ...news };
    this.#isBehind = true;
    return this.#stage === 'kept';
  }

  #tryToWrite(): void {
    try {
      this.#write();
    } catch (error) {
      const { record: path } = this.#files;
      this.#options.log.error({ path, err: error }, CANNOT_WRITE);
    }
  }

  #write(): void {
    this.#use(() => writeSandboxRecord(this.#files, this.#record));
    this.#stage = 'kept';
    this.#isBehind = false;
  }

  /** Another host's state is not this one's to write. */
  #use(action: () => void): void {
    const { stateDir } = this.#options;
    if (stateDir.isInPlace()) stateDir.reserve.use(action);
  }
}
