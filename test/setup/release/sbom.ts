import { execa } from 'execa';
import { PACKAGE } from '../../../src/package.ts';
import { root } from './root.ts';

interface Component {
  readonly name: string;
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
  const chosen = names ? components.filter(({ name }) => names.includes(name)) : components;
  const whole = {
    ...rest,
    metadata: { ...kept, component },
    components: chosen,
    ...(names ? {} : { dependencies }),
  };
  return `${JSON.stringify(whole, undefined, 2)}\n`;
}
