import { renameSync, writeFileSync } from 'node:fs';
import type { SpanContext } from '@opentelemetry/api';
import type { ShareOwner } from './contract.ts';

/**
 * A share as it stands on disk: enough to end it without its host, to diagnose it, and to link its last span to its
 * first. Each member has a line of its own, because the shim's `delete` reads the file with sed(1).
 */
export interface ShareRecord {
  readonly owner: ShareOwner;
  /** The provider's `shared_fs` value. */
  readonly sharedFs: string;
  readonly tag: string;
  readonly source: string;
  readonly ownsSource: boolean;
  readonly socketPath: string;
  readonly bootId: string;
  /** Absent in what was written before the spawn: a process may have been started, and be unknown. */
  readonly pid?: number;
  readonly startTime?: number;
  readonly startSpan?: Pick<SpanContext, 'traceId' | 'spanId' | 'traceFlags'>;
}

/** Where a share's record stands in its directory. */
export const RECORD_FILE = 'share.json';

/** Replaces the record in one step, so that a reader never sees half of one. */
export function writeRecord(directory: string, record: ShareRecord): void {
  const path = `${directory}/${RECORD_FILE}`;
  writeFileSync(`${path}.new`, `${JSON.stringify(record, undefined, 1)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
