import { execa } from 'execa';
import { PACKAGE } from '../../../src/package.ts';
import { root } from './root.ts';

/** Its version in the repository says nothing: it is released with ours. */
const WORKSPACE = 'ttrpc-ts';

interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly properties?: readonly { readonly name: string }[];
  readonly [key: string]: unknown;
}

interface Dependency {
  readonly ref: string;
  readonly dependsOn: readonly string[];
}

interface Sbom {
  readonly serialNumber?: string;
  readonly metadata: { readonly timestamp?: string; readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly Dependency[];
}

/** How npm marks what is there for development. */
const TOOL = new Set(['cdx:npm:package:development', 'cdx:npm:package:extraneous']);

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

/**
 * The bill of materials in CycloneDX, as npm makes it, without what differs from run to run; with `names`, that of a tree for
 * nodes: only of those packages, and of its Node.js. @throws Error naming a package that is not in it
 */
export async function sbom(names?: readonly string[]): Promise<string> {
  // With --omit=dev npm leaves out what is wanted by a development tool, too.
  const { stdout } = await execa('npm', ['sbom', '--sbom-format', 'cyclonedx'], { cwd: root });
  const { serialNumber: _, metadata, ...all } = JSON.parse(stdout) as Sbom;
  const { components, dependencies, ...rest } = withoutTools({ ...all, metadata });
  const { timestamp: _timestamp, ...kept } = metadata;
  const component = { ...kept.component, name: PACKAGE };
  const { version } = component;
  const released = components.map((one) => (one.name === WORKSPACE ? { ...one, version } : one));
  const whole = {
    ...rest,
    metadata: { ...kept, component },
    components: names ? [...choose(released, names), NODE] : released,
    ...(names ? {} : { dependencies }),
  };
  const placeholder = components.find(({ name }) => name === WORKSPACE)?.version;
  const text = JSON.stringify(whole, undefined, 2);
  return `${text.replaceAll(`${WORKSPACE}@${placeholder}`, `${WORKSPACE}@${version}`)}\n`;
}

/** Only what the package's users get. */
function withoutTools({ components, dependencies, ...rest }: Sbom): Sbom {
  const tools = new Set(components.filter(isTool).map((one) => one['bom-ref']));
  const kept = dependencies.filter(({ ref }) => !tools.has(ref));
  return {
    ...rest,
    components: components.filter((one) => !tools.has(one['bom-ref'])),
    dependencies: kept.map(({ ref, dependsOn }) => ({
      ref,
      dependsOn: dependsOn.filter((one) => !tools.has(one)),
    })),
  };
}

function choose(components: readonly Component[], names: readonly string[]): Component[] {
  const missing = names.find((wanted) => !components.some(({ name }) => name === wanted));
  if (missing) throw new Error(`Package "${missing}" is bundled and not in the bill of materials`);
  return components.filter(({ name }) => names.includes(name));
}

const isTool = ({ properties = [] }: Component): boolean => properties.some(({ name }) => TOOL.has(name));
