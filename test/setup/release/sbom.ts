import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PACKAGE } from '../../../src/package.ts';
import { root } from './root.ts';

/** What package-lock.json says of a package. */
interface Locked {
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  /** Of a workspace: where it stands. */
  readonly link?: boolean;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

type Lock = Readonly<Record<string, Locked>>;

interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly [key: string]: unknown;
}

/** The one that a tree for nodes has. */
const NODE: Component = {
  'bom-ref': `node@${process.versions.node}`,
  type: 'application',
  name: 'node',
  version: process.versions.node,
  scope: 'required',
  purl: `pkg:generic/node@${process.versions.node}`,
  licenses: [{ license: { id: 'MIT' } }],
};

const MODULES = 'node_modules/';

/**
 * The bill of materials in CycloneDX, by package-lock.json: npm makes one only since its version 10, which Debian has not.
 * With `names`, that of a tree for nodes: only of those packages, and of its Node.js.
 *
 * @throws Error naming a package that is not in it
 */
export async function sbom(names?: readonly string[]): Promise<string> {
  const text = await readFile(join(root, 'package-lock.json'), 'utf8');
  const { packages: lock } = JSON.parse(text) as { packages: Lock };
  const version = lock['']?.version ?? '';
  // What a workspace's version says there counts for nothing: it is released with ours.
  const versionOf = (path: string): string => (lock[path]?.link ? version : (lock[path]?.version ?? ''));
  const paths = Object.keys(lock).filter((path) => path.includes(MODULES) && !lock[path]?.dev);
  const refOf = (path: string): string => `${path ? nameOf(path) : PACKAGE}@${versionOf(path)}`;
  const componentOf = (path: string): Component => {
    const { license, integrity } = { ...lock[path], ...lock[lock[path]?.resolved ?? path] };
    const ref = refOf(path);
    return {
      'bom-ref': ref,
      type: path ? 'library' : 'application',
      name: path ? nameOf(path) : PACKAGE,
      version: versionOf(path),
      scope: 'required',
      purl: `pkg:npm/${ref.replace(/^@/, '%40')}`,
      ...(integrity ? { hashes: [hashOf(integrity)] } : {}),
      ...(license ? { licenses: [licenceOf(license)] } : {}),
    };
  };
  const components = paths.map(componentOf);
  const dependencies = ['', ...paths].map((path) => ({
    ref: refOf(path),
    dependsOn: wantedBy(path, lock)
      .filter((one) => paths.includes(one))
      .map(refOf),
  }));
  const bill = {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { component: componentOf('') },
    components: names ? [...choose(components, names), NODE] : components,
    ...(names ? {} : { dependencies }),
  };
  return `${JSON.stringify(bill, undefined, 2)}\n`;
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf(MODULES) + MODULES.length);

/** The places of what a package depends on, as Node.js finds them: beside it, else further up. */
function wantedBy(path: string, lock: Lock): string[] {
  const { dependencies, peerDependencies } =
    lock[lock[path]?.link ? (lock[path].resolved ?? '') : path] ?? {};
  return Object.keys({ ...dependencies, ...peerDependencies }).flatMap(
    (name) => find(name, path, lock) ?? [],
  );
}

function find(name: string, from: string, lock: Lock): string | undefined {
  const place = join(from, MODULES, name);
  if (lock[place]) return place;
  return from === '' ? undefined : find(name, parentOf(from), lock);
}

/** `a/node_modules/b` stands in `a`. */
const parentOf = (path: string): string =>
  path.slice(0, Math.max(0, path.lastIndexOf(MODULES))).replace(/\/$/, '');

/** From base64 of SRI to CycloneDX. */
function hashOf(integrity: string): { alg: string; content: string } {
  const [, size = '', digest = ''] = /^sha(\d+)-(\S+)/.exec(integrity) ?? [];
  return { alg: `SHA-${size}`, content: Buffer.from(digest, 'base64').toString('hex') };
}

const licenceOf = (text: string): object =>
  /[() ]/.test(text) ? { expression: text } : { license: { id: text } };

function choose(components: readonly Component[], names: readonly string[]): Component[] {
  const missing = names.find((wanted) => !components.some(({ name }) => name === wanted));
  if (missing) throw new Error(`Package "${missing}" is bundled and not in the bill of materials`);
  return components.filter(({ name }) => names.includes(name));
}
