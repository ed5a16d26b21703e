import { closeSync, fstatSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * Keeps the modules below a directory open, so that this process can import them when the files are gone, or have become
 * those of another version: a package is upgraded or removed while a host runs, and a host imports much only when it is
 * wanted. Until then it imports them from the directory.
 *
 * @throws Error of the system where one of them cannot be opened; none is open then
 */
export function keepProgram(directory: string): void {
  const entries = ['plugin', 'src'].flatMap((folder) =>
    readdirSync(join(directory, folder), { recursive: true, withFileTypes: true }),
  );
  const files = entries
    .filter(({ name }) => name.endsWith('.js'))
    .map(({ parentPath, name }) => join(parentPath, name));
  const kept = openAll(files);
  const heldOf = (url: string | undefined): number | undefined => {
    const descriptor = url === undefined ? undefined : kept.get(url);
    return url === undefined || descriptor === undefined || isInPlace(url, descriptor)
      ? undefined
      : descriptor;
  };
  registerHooks({
    resolve: (specifier, context, next) => {
      const url = URL.parse(specifier, context.parentURL)?.href;
      return url === undefined || heldOf(url) === undefined
        ? next(specifier, context)
        : { url, format: 'module', shortCircuit: true };
    },
    load: (url, context, next) => {
      const descriptor = heldOf(url);
      if (descriptor === undefined) return next(url, context);
      // By its name there, because a descriptor is read to its end only once.
      return {
        source: readFileSync(`/proc/self/fd/${descriptor}`),
        format: 'module',
        shortCircuit: true,
      };
    },
  });
}

/** Their descriptors by URL. */
function openAll(files: readonly string[]): ReadonlyMap<string, number> {
  using undo = new DisposableStack();
  const opened = files.map((file) => {
    const descriptor = openSync(file, 'r');
    undo.defer(() => closeSync(descriptor));
    return [pathToFileURL(file).href, descriptor] as const;
  });
  undo.move();
  return new Map(opened);
}

function isInPlace(url: string, descriptor: number): boolean {
  const found = statSync(fileURLToPath(url), { throwIfNoEntry: false });
  const own = fstatSync(descriptor);
  return found?.ino === own.ino && found.dev === own.dev;
}
