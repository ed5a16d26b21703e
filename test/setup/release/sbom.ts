import { execa } from 'execa';
import { PACKAGE } from '../../../src/package.ts';
import { root } from './root.ts';

/** Its version in the repository says nothing: it is released with ours. */
const WORKSPACE = 'ttrpc-ts';

interface Component {
  readonly name: string;
  readonly version: string;
  readonly [key: string]: unknown;
}

interface Sbom {
  readonly serialNumber?: string;
  readonly metadata: { readonly timestamp?: string; readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies?: unknown;
}

/**
 * The bill of materials in CycloneDX, as npm makes it, without what differs from run to run; with `names`, only of those
 * packages.
 */
export async function sbom(names?: readonly string[]): Promise<string> {
  const { stdout } = await execa('npm', ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev'], {
    cwd: root,
  });
  const { serialNumber: _, dependencies, metadata, components, ...rest } = JSON.parse(stdout) as Sbom;
  const { timestamp: _timestamp, ...kept } = metadata;
  const component = { ...kept.component, name: PACKAGE };
  const { version } = component;
  const released = components.map((one) => (one.name === WORKSPACE ? { ...one, version } : one));
  const chosen = names ? released.filter(({ name }) => names.includes(name)) : released;
  const whole = {
    ...rest,
    metadata: { ...kept, component },
    components: chosen,
    ...(names ? {} : { dependencies }),
  };
  const placeholder = components.find(({ name }) => name === WORKSPACE)?.version;
  const text = JSON.stringify(whole, undefined, 2);
  return `${text.replaceAll(`${WORKSPACE}@${placeholder}`, `${WORKSPACE}@${version}`)}\n`;
}
