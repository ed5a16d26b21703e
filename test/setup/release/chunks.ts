import { join } from 'node:path';
import type { CodeSplittingNameFunction } from 'rolldown';
import { root } from './root.ts';

/**
 * What is loaded together stands in one file, for each costs time: what every command needs; what of a host those need, too,
 * that speak to it; the rest of a host, with what plugins get of it. Each holds what the ones before do not.
 */
const CHUNKS = {
  command: [['src/cli/main']],
  client: [
    ['src/cli/run-command', 'src/cli/commands/ls'],
    ['src/cli/run-command', 'src/cli/commands/serve'],
  ],
  host: [['src/cli/commands/serve', 'src/plugin']],
} as const satisfies Readonly<Record<string, readonly (readonly string[])[]>>;

/** Returns the name of the chunk that a module belongs to; undefined where the bundler is to decide. */
export function createChunks(): CodeSplittingNameFunction {
  const reached = new Map<string, ReadonlySet<string>>();
  return (id, chunking) => {
    const importsOf = (module: string): readonly string[] =>
      chunking.getModuleInfo(module)?.importedIds ?? [];
    const isReached = (entries: readonly string[]): boolean => {
      const key = entries.join();
      if (!reached.has(key)) reached.set(key, reachable(entries.map(pathOf), importsOf));
      return reached.get(key)?.has(id) === true;
    };
    // What is started by its path is its own file; one that waits for what it imports must not be imported itself.
    if (chunking.getModuleInfo(id)?.isEntry) return undefined;
    return Object.entries(CHUNKS).find(([, sets]) => sets.every(isReached))?.[0];
  };
}

const pathOf = (name: string): string => join(root, `${name}.ts`);

/** Without what is imported lazily. */
function reachable(
  entries: readonly string[],
  importsOf: (id: string) => readonly string[],
): ReadonlySet<string> {
  const found = new Set(entries);
  for (const id of found) for (const imported of importsOf(id)) found.add(imported);
  return found;
}
