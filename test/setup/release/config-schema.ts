import { z } from 'zod';
import { configSchema as nydusSchema } from '../../../plugin/nydus/index.ts';
import { configSchema as virtiofsSchema } from '../../../plugin/virtiofs/index.ts';
import { configSchema } from '../../../src/config/schema.ts';

/** As much of a JSON Schema as is read here. */
export interface JsonSchema {
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
}

const PLUGINS = {
  'io.containerd.fsshare.v1.nydus': nydusSchema,
  'io.containerd.fsshare.v1.virtiofs': virtiofsSchema,
};

/** The JSON Schema of a configuration file with the tables of our own plugins, for editors. */
export function configJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema;
  const tables = Object.entries(PLUGINS).map(([name, plugin]) => {
    const { $schema: _, ...table } = z.toJSONSchema(plugin, { io: 'input' }) as JsonSchema & {
      $schema?: string;
    };
    return [name, table];
  });
  const plugins = {
    ...schema.properties?.['plugins'],
    properties: Object.fromEntries(tables) as Record<string, JsonSchema>,
  };
  return { ...schema, properties: { ...schema.properties, plugins } };
}
