import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { ascii } from './ascii.ts';
import { builtins } from './builtins.ts';
import { createChunks } from './chunks.ts';
import { root } from './root.ts';
import { unusedExporters } from './unused-exporters.ts';

/** What is started or imported by its path: each keeps its place. */
const ENTRIES = [
  'plugin/nydus/index',
  'plugin/virtiofs/index',
  'src/cli/main',
  'src/host/after-death',
  'src/index',
  'src/plugin',
];

/** Bundled by itself: what a host shared with it would be whole there, too. */
const ALONE = ['src/zod'];

/** Where the library's own names lead. */
const ALIASES = {
  'containerd-shim-virtiofs/plugin': join(root, 'src/plugin.ts'),
  'containerd-shim-virtiofs/virtiofs': join(root, 'plugin/virtiofs/index.ts'),
  'containerd-shim-virtiofs/nydus': join(root, 'plugin/nydus/index.ts'),
};

/**
 * Bundles the host, its command and its plugins with all that they need below `target`; what is imported lazily stays in
 * chunks of its own. Resolves to the names of the packages in it.
 */
export async function bundle(target: string): Promise<string[]> {
  const modules = [...(await build(target, ENTRIES)), ...(await build(target, ALONE))];
  const names = modules.flatMap((id) => /^.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1] ?? []);
  return [...new Set(names)].toSorted();
}

/** Resolves to the modules in it. */
async function build(target: string, entries: readonly string[]): Promise<string[]> {
  await using building = await rolldown({
    cwd: root,
    input: Object.fromEntries(entries.map((name) => [name, join(root, `${name}.ts`)])),
    platform: 'node',
    preserveEntrySignatures: 'allow-extension',
    plugins: [builtins, unusedExporters, ascii],
    resolve: { alias: ALIASES },
    onLog: (level, log, handle) => {
      // Libraries' own circles and their uses of eval are not ours to mend.
      if (log.code !== 'CIRCULAR_DEPENDENCY' && log.code !== 'EVAL') handle(level, log);
    },
  });
  const { output } = await building.write({
    dir: target,
    format: 'esm',
    entryFileNames: '[name].js',
    // Beside src/package.ts, which tells paths from where it stands.
    chunkFileNames: 'src/[name]-[hash].js',
    minify: { compress: true, mangle: { keepNames: { function: true, class: true } }, codegen: true },
    keepNames: true,
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [{ name: createChunks(), debugName: 'chunks' }],
    },
  });
  return output.flatMap((one) => (one.type === 'chunk' ? one.moduleIds : []));
}
