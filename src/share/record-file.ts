import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Code, StatusError } from 'ttrpc-ts';
import type { z } from '../config/zod-mini.ts';
import { messageOf } from '../errors.ts';

/** Where a record stands. */
export interface RecordFile {
  readonly record: string;
  /** What it is written to before it takes that name. */
  readonly newRecord: string;
}

/** The form of a kind of records, and what they are called in errors. */
export interface RecordFormat<Schema extends z.ZodMiniType> {
  /** Whose record it is: `share` or `sandbox`. */
  readonly kind: string;
  /** The version that this program writes. */
  readonly version: number;
  readonly schema: Schema;
  /** What to do about one that cannot be read. @default nothing is said */
  readonly remedy?: string;
}

/** Replaces a record in one step, so that a reader never sees half of one. */
export function writeRecordFile(
  { record, newRecord }: RecordFile,
  { version }: Pick<RecordFormat<z.ZodMiniType>, 'version'>,
  content: object,
): void {
  writeText(newRecord, version, content);
  renameSync(newRecord, record);
}

/** Writes a record where no reader looks for it. */
export function writeText(path: string, formatVersion: number, content: object): void {
  writeFileSync(path, `${JSON.stringify({ formatVersion, ...content }, undefined, 1)}\n`, { mode: 0o600 });
}

/**
 * Reads a record; undefined where there is none.
 *
 * @throws StatusError FailedPrecondition for a file that is torn, of another program or of a newer version of this one
 */
export function readRecordFile<Schema extends z.ZodMiniType>(
  record: string,
  { kind, version, schema, remedy }: RecordFormat<Schema>,
): z.output<Schema> | undefined {
  const unreadable = (problem: string, cause?: unknown): StatusError => {
    const words = remedy === undefined ? problem : `${problem}; ${remedy}`;
    const message = `Cannot read the ${kind}'s record "${record}": ${words}`;
    return new StatusError(Code.FailedPrecondition, message, { cause });
  };
  let input: unknown;
  try {
    input = JSON.parse(readFileSync(record, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unreadable(error instanceof SyntaxError ? 'it is no JSON' : messageOf(error), error);
  }
  const written = (input as { formatVersion?: unknown } | null)?.formatVersion;
  if (typeof written === 'number' && written > version)
    throw unreadable(`a newer version of this program wrote it (format ${written})`);
  const { success, data, error } = schema.safeParse(input);
  if (success) return data;
  const [issue] = error.issues;
  throw unreadable(`${issue?.path.join('.')}: ${issue?.message}`, error);
}
