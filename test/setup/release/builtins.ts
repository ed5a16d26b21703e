import { isBuiltin } from 'node:module';
import type { Plugin } from 'rolldown';

const IMPORTED = '\0imported:';
const REQUIRED = '\0required:';

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
    return (kind === 'import-statement' ? IMPORTED : REQUIRED) + name;
  },
  load(id) {
    if (id.startsWith(REQUIRED)) return `module.exports = ${moduleOf(id.slice(REQUIRED.length))};`;
    return id.startsWith(IMPORTED) ? sourceOf(id.slice(IMPORTED.length)) : undefined;
  },
};

const moduleOf = (name: string): string => `process.getBuiltinModule(${JSON.stringify(name)})`;

/** Of these names only those stay that somebody imports. */
async function sourceOf(name: string): Promise<string> {
  const names = Object.keys((await import(name)) as object);
  return [
    `const builtin = ${moduleOf(name)};`,
    'export default builtin;',
    ...names
      .filter((key) => key !== 'default' && key !== 'module.exports')
      .map((key) => `export const ${key} = /* @__PURE__ */ (() => builtin.${key})();`),
  ].join('\n');
}
