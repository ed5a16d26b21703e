import { Code } from './code.ts';
import { StatusError } from './status-error.ts';

/** What a call accepts as metadata: a record, pairs, or a `Metadata`. */
export type MetadataInit =
  | Metadata
  | Readonly<Record<string, string | readonly string[]>>
  | Iterable<readonly [string, string]>;

/**
 * Keys with one or more values that travel with a request, by the rules of ttrpc for Go.
 *
 * Writing lower-cases the key, and so does the look-up. A peer that sends an upper-case key on the wire has its
 * key kept as it is, and so only iteration finds it.
 */
export class Metadata implements Iterable<[string, string]> {
  readonly #values = new Map<string, string[]>();

  constructor(init?: MetadataInit) {
    if (init === undefined) return;
    if (Symbol.iterator in init) {
      for (const [key, value] of init as Iterable<readonly [string, string]>) this.append(key, value);
      return;
    }
    for (const [key, value] of Object.entries(init)) {
      if (Array.isArray(value)) this.append(key, ...(value as string[]));
      else this.append(key, value as string);
    }
  }

  /** Builds metadata from the wire: keys keep their case, repeated keys collect their values. */
  static fromWire(pairs: readonly (readonly [string, string])[]): Metadata {
    const metadata = new Metadata();
    for (const [key, value] of pairs) metadata.#add(key, [value]);
    return metadata;
  }

  /** How many keys there are. */
  get size(): number {
    return this.#values.size;
  }

  /** Returns the first value of a key, or undefined. */
  get(key: string): string | undefined {
    return this.#values.get(key.toLowerCase())?.[0];
  }

  /** Returns all values of a key; none gives an empty list. */
  getAll(key: string): string[] {
    return [...(this.#values.get(key.toLowerCase()) ?? [])];
  }

  /** Tells whether a key has a value. */
  has(key: string): boolean {
    return this.#values.has(key.toLowerCase());
  }

  /**
   * Replaces the values of a key. No values deletes it.
   *
   * @throws StatusError InvalidArgument where a value is not a string
   */
  set(key: string, ...values: string[]): this {
    checkValues(key, values);
    if (values.length === 0) this.delete(key);
    else this.#values.set(key.toLowerCase(), values);
    return this;
  }

  /**
   * Adds values to a key. No values changes nothing.
   *
   * @throws StatusError InvalidArgument where a value is not a string
   */
  append(key: string, ...values: string[]): this {
    checkValues(key, values);
    this.#add(key.toLowerCase(), values);
    return this;
  }

  /** Removes a key. */
  delete(key: string): boolean {
    return this.#values.delete(key.toLowerCase());
  }

  /** Returns a copy that shares nothing with this one. */
  clone(): Metadata {
    const copy = new Metadata();
    for (const [key, values] of this.#values) copy.#values.set(key, [...values]);
    return copy;
  }

  /** Iterates over key and value, a key with several values once for each. */
  *[Symbol.iterator](): Generator<[string, string]> {
    for (const [key, values] of this.#values) {
      for (const value of values) yield [key, value];
    }
  }

  #add(key: string, values: readonly string[]): void {
    if (values.length === 0) return;
    const present = this.#values.get(key);
    if (present) present.push(...values);
    else this.#values.set(key, [...values]);
  }
}

function checkValues(key: string, values: readonly unknown[]): void {
  for (const value of values) {
    if (typeof value === 'string') continue;
    throw new StatusError(
      Code.InvalidArgument,
      `Cannot use metadata "${key}": its value is ${value === null ? 'null' : typeof value}, not a string`,
    );
  }
}
