import { isBuiltin } from 'node:module';
import type { Plugin } from 'rolldown';

const WHOLE = '\0whole:';
const IMPORTED = '\0imported:';

/**
 * Gets of Node.js' own modules what is used. To import one reads all of its names, and some of them load much: those of
 * `node:http` a whole client of fetch, which is 40 ms and 15 MiB.
 */
export const builtins: Plugin = {
  name: 'builtins',
  resolveId(specifier, importer, { kind }) {
    // The bundler's own module needs one itself.
    if (!isBuiltin(specifier) || importer?.includes('rolldown/runtime')) return undefined;
    const name = `node:${specifier.replace(/^node:/, '')}`;
    return kind === 'import-statement' ? `${IMPORTED}${name}\0${importer}` : WHOLE + name;
  },
  load(id) {
    if (id.startsWith(WHOLE))
      return `module.exports = process.getBuiltinModule(${JSON.stringify(id.slice(WHOLE.length))});`;
    const [name = ''] = id.slice(IMPORTED.length).split('\0');
    return id.startsWith(IMPORTED) ? namesOf(name) : undefined;
  },
};

/** Each importer has its own, in which only those stay that it imports: to look at some of them loads much, too. */
async function namesOf(name: string): Promise<string> {
  const names = Object.keys((await import(name)) as object);
  return [
    `const builtin = process.getBuiltinModule(${JSON.stringify(name)});`,
    'export default builtin;',
    ...names
      .filter((key) => key !== 'default' && key !== 'module.exports')
      .map((key) => `export const ${key} = /* @__PURE__ */ (() => builtin.${key})();`),
  ].join('\n');
}
