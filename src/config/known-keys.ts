import { z } from './zod-mini.ts';

type JSONSchema = z.core.JSONSchema.BaseSchema;

/** The keys that a zod schema takes in the table at `path`; none for another library's schema. */
export function knownKeys(schema: unknown, path: readonly string[]): string[] {
  if (!(schema instanceof z.core.$ZodType)) return [];
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  let tables = alternatives(root, root);
  for (const part of path) tables = tables.flatMap((table) => alternatives(below(table, part), root));
  return [...new Set(tables.flatMap(({ properties }) => Object.keys(properties ?? {})))];
}

/** What a value may be: each side of a union, and what a reference names. */
function alternatives(schema: unknown, root: JSONSchema): JSONSchema[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { $ref, anyOf, oneOf, allOf, ...own } = schema as JSONSchema;
  const parts = [...(anyOf ?? []), ...(oneOf ?? []), ...(allOf ?? [])];
  if ($ref !== undefined)
    parts.push($ref === '#' ? root : (root.$defs?.[$ref.replace('#/$defs/', '')] ?? {}));
  return [own, ...parts.flatMap((part) => alternatives(part, root))];
}

/** The member of a table, of a record or of a list. */
const below = (schema: JSONSchema, part: string): unknown =>
  schema.properties?.[part] ??
  schema.additionalProperties ??
  schema.prefixItems?.[Number(part)] ??
  schema.items;
