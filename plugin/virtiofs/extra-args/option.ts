/** One option as a virtiofsd's own parser reads it. */
export interface Option {
  /** `--xattr`, `-d`, or what stands before the `=` in the value of `-o`. */
  readonly name: string;
  /** What stands behind the `=`, or the argument behind the option. */
  readonly value?: string | undefined;
  /** Which argument it stands in. */
  readonly index: number;
  /** Why no virtiofsd would take it, in whatever version. */
  readonly problem?: string;
}

/** What an option may be. */
export interface Rule {
  /** What its value may be; absent where it takes none. */
  readonly value?: RegExp;
  /** Whether its value may be left out. @default false */
  readonly isOptional?: boolean;
  /** Whether its value must stand behind a `=`. @default false */
  readonly isAttached?: boolean;
  /** Why it is not the user's to set, and what to do. */
  readonly ours?: string;
}

export type Rules = ReadonlyMap<string, Rule>;

export const FLAG: Rule = {};
export const NUMBER: Rule = { value: /^\d+$/ };
export const TEXT: Rule = { value: /./s };
/** It would take the socket, the directory or the process out of our hands. */
export const OURS: Rule = { ours: 'this argument is set by the shim; leave it out' };
export const CACHE: Rule = { ours: 'set "virtio_fs_cache" instead' };
export const CAPABILITIES: Rule = { value: /^[+-]\w+(:[+-]\w+)*$/ };

/** One of these words, separated by spaces. */
export const oneOf = (words: string): Rule => ({ value: new RegExp(`^(${words.replaceAll(' ', '|')})$`) });

/** The same rule for each of these names, separated by spaces. */
export const each = (names: string, rule: Rule): [string, Rule][] =>
  names.split(' ').map((name) => [name, rule]);

/** Splits `name=value`. */
export function splitOption(text: string): { name: string; value?: string } {
  const end = text.indexOf('=');
  return end === -1 ? { name: text } : { name: text.slice(0, end), value: text.slice(end + 1) };
}
