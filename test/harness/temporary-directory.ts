import { mkdtempDisposable, type DisposableTempDir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory of a test's own. Disposal removes it with all that is in it. */
export type TemporaryDirectory = DisposableTempDir;

/** Makes a directory that ends with the test. */
export const temporaryDirectory = (): Promise<TemporaryDirectory> =>
  mkdtempDisposable(join(tmpdir(), 'csv-'));
