import { writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { temporaryDirectory } from './temporary-directory.ts';

/** Runs an action while programs of a test's own stand before those of the machine, by their names: scripts of sh. */
export async function withPrograms<T>(
  scripts: Readonly<Record<string, string>>,
  action: () => Promise<T>,
): Promise<T> {
  await using directory = await temporaryDirectory();
  for (const [name, script] of Object.entries(scripts))
    writeFileSync(join(directory.path, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const former = process.env['PATH'] ?? '';
  process.env['PATH'] = `${directory.path}${delimiter}${former}`;
  try {
    return await action();
  } finally {
    process.env['PATH'] = former;
  }
}
