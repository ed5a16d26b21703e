import { readFile } from 'node:fs/promises';

/** Why a test may skip also where nothing should be missing. */
const ACCEPTED_REASONS = [/^No C virtiofsd: only Debian 12/];

interface Skip {
  readonly name: string;
  readonly reason: string;
}

/** Resolves to false, saying why, if the file that skip-reporter.ts wrote has a skip that a strict run does not accept. */
export async function reportSkips(file: string, { isStrict }: { isStrict: boolean }): Promise<boolean> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const unaccepted = unacceptedSkips(text);
  if (!isStrict || unaccepted.length === 0) return true;
  console.error('Tests skipped, which CI does not accept:');
  for (const { name, reason } of unaccepted) console.error(`  ${name}: ${reason}`);
  return false;
}

/** Returns the skips in the reporter's output whose reason is not on the list. */
export function unacceptedSkips(text: string): Skip[] {
  const skips = text
    .split('\n')
    .filter(Boolean)
    .map((line): Skip => JSON.parse(line));
  return skips.filter(({ reason }) => !ACCEPTED_REASONS.some((accepted) => accepted.test(reason)));
}
