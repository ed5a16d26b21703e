import { isProgram } from './requirements.ts';

/** Finds a program: the first of these places that has it, else the first in PATH; undefined where there is none. */
export async function findProgram(
  name: string,
  places: readonly string[],
  path: string = process.env['PATH'] ?? '',
): Promise<string | undefined> {
  const inPath = path
    .split(':')
    .filter(Boolean)
    .map((directory) => `${directory}/${name}`);
  for (const place of [...places, ...inPath]) {
    // oxlint-disable-next-line no-await-in-loop -- the first one counts
    if (await isProgram(place)) return place;
  }
  return undefined;
}
