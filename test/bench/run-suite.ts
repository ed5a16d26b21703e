import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { onInterrupt } from '../setup/interrupt.ts';
import { suites } from './suites/index.ts';
import { formatTable } from './table.ts';

/** Runs the suite that is named, in this process; run.ts starts one for each, so that none makes another's host larger. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, json: { type: 'string' } },
});
const suite = suites.find(({ name }) => name === positionals[0]);
if (suite === undefined) throw new Error(`No suite "${positionals[0]}"`);
const interrupt = onInterrupt();
try {
  const result = await suite.run({ isQuick: values.quick, signal: interrupt.signal });
  for (const line of [...formatTable(result.rows), ...result.notes]) console.log(line);
  if (values.json !== undefined) await writeFile(values.json, JSON.stringify(result));
} catch (error) {
  if (!interrupt.signal.aborted) console.error(error);
  process.exitCode = interrupt.exitCode ?? 1;
}
interrupt.stopListening();
