type CamelCase<Key> = Key extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Key;

/** A type whose keys are TOML's, with ours. */
export type CamelKeys<T> = T extends readonly (infer Entry)[]
  ? readonly CamelKeys<Entry>[]
  : T extends object
    ? { readonly [Key in keyof T as CamelCase<Key>]: CamelKeys<T[Key]> }
    : T;

/** Turns the snake_case keys of a value, and of all that is in it, into camelCase. */
export function camelKeys<T>(value: T): CamelKeys<T> {
  if (Array.isArray(value)) return value.map(camelKeys) as CamelKeys<T>;
  if (typeof value !== 'object' || value === null) return value as CamelKeys<T>;
  const entries = Object.entries(value).map(([key, inner]) => [camelCase(key), camelKeys(inner as unknown)]);
  return Object.fromEntries(entries) as CamelKeys<T>;
}

const camelCase = (key: string): string =>
  key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
