import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Our name: the npm package, the instrumentation scope and the default service name of traces. */
export const PACKAGE = 'containerd-shim-virtiofs';

/** `.ts` in a checkout, `.js` where the package was built. */
const EXTENSION = extname(import.meta.url);

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Where a release for nodes is installed, which has a Node.js of its own; undefined in a checkout or a package of npm. */
export const RELEASE: string | undefined = process.execPath === `${ROOT}bin/node` ? ROOT : undefined;

/** The plugins that come with the host. */
export const BUILT_IN_PLUGINS: string = fileURLToPath(new URL('../plugin', import.meta.url));

/** Ends the shares of a program that has died; see its own words. */
export const AFTER_DEATH: string = fileURLToPath(new URL(`host/after-death${EXTENSION}`, import.meta.url));

/** What a plugin's module may import of ours, by specifier. */
export const LIBRARY: Readonly<Record<string, string>> = {
  [PACKAGE]: new URL(`index${EXTENSION}`, import.meta.url).href,
  [`${PACKAGE}/plugin`]: new URL(`plugin${EXTENSION}`, import.meta.url).href,
  [`${PACKAGE}/nydus`]: new URL(`../plugin/nydus/index${EXTENSION}`, import.meta.url).href,
  [`${PACKAGE}/virtiofs`]: new URL(`../plugin/virtiofs/index${EXTENSION}`, import.meta.url).href,
  [`${PACKAGE}/zod`]: new URL(`zod${EXTENSION}`, import.meta.url).href,
};

/** Reads our version. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
