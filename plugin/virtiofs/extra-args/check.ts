import type { Dialect } from '../probe.ts';
import { C_RULES, parseC } from './dialect-c.ts';
import { parseRust, RUST_RULES } from './dialect-rust.ts';
import type { Option, Rule } from './option.ts';

const DIALECTS = {
  c: { rules: C_RULES, parse: parseC },
  rust: { rules: RUST_RULES, parse: parseRust },
} as const;

/** What is wrong with extra arguments, and which one it is. */
export interface Problem {
  readonly index: number;
  readonly message: string;
  /** True for what is the shim's to set, whichever virtiofsd it is. */
  readonly isOurs: boolean;
}

/**
 * Finds the first extra argument that a virtiofsd may not be given. What is not on its list may be allowed, but never
 * what takes the socket, the directory or the process out of our hands, however it is written.
 */
export function findProblem(
  args: readonly string[],
  { dialect, allowUnknown }: { dialect: Dialect; allowUnknown: boolean },
): Problem | undefined {
  const { rules, parse } = DIALECTS[dialect];
  for (const option of parse(args)) {
    const rule = rules.get(option.name);
    const forbidden = option.problem ?? rule?.ours;
    const message = forbidden ?? (allowUnknown ? undefined : doubt(option, rule));
    if (message !== undefined) return { index: option.index, message, isOurs: rule?.ours !== undefined };
  }
  return undefined;
}

/** True where the line by which a virtiofsd says that it waits may be left out, or go elsewhere. */
export const hidesOutput = (args: readonly string[]): boolean =>
  [...parseC(args), ...parseRust(args)].some(({ name }) =>
    ['--syslog', '--log-level', 'log_level', 'loglevel'].includes(name),
  );

/** What is not as the list has it. */
function doubt({ name, value }: Option, rule: Rule | undefined): string | undefined {
  if (!rule)
    return `virtiofsd has no option "${name}" that is known here: correct it, or set "virtio_fs_allow_unknown_args"`;
  if (!rule.value) return value === undefined ? undefined : `"${name}" takes no value: leave it out`;
  if (value === undefined) return rule.isOptional ? undefined : `"${name}" needs a value`;
  if (rule.value.test(value)) return undefined;
  return `"${value}" is no value of "${name}": correct it, or set "virtio_fs_allow_unknown_args"`;
}
