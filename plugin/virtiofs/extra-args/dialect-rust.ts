import { CACHE, CAPABILITIES, each, FLAG, NUMBER, oneOf, OURS, splitOption, TEXT } from './option.ts';
import type { Option, Rules } from './option.ts';

/** The options of the Rust virtiofsd, up to 1.14; those without a dash stand in the value of `-o`. */
export const RUST_RULES: Rules = new Map([
  ...each('-d -f --syslog --readonly --xattr --writeback --allow-mmap --allow-direct-io', FLAG),
  ...each('--no-readdirplus --announce-submounts --no-announce-submounts --preserve-noatime', FLAG),
  ...each('--killpriv-v2 --no-killpriv-v2 --migration-verify-handles --migration-confirm-paths', FLAG),
  ...each('--posix-acl --security-label', {
    ...oneOf('never auto always'),
    isAttached: true,
    isOptional: true,
  }),
  ...each('--inode-file-handles', { ...oneOf('never prefer fallback mandatory'), isAttached: true }),
  ...each('--rlimit-nofile --thread-pool-size', NUMBER),
  ...each('--log-level', oneOf('error warn info debug trace off')),
  ...each('--sandbox', oneOf('namespace chroot none')),
  ...each('--seccomp', oneOf('none kill log trap')),
  ...each('--migration-mode', oneOf('find-paths file-handles')),
  ...each('--migration-on-error', oneOf('abort guest-error')),
  ...each('--modcaps modcaps', CAPABILITIES),
  ...each('--xattrmap --uid-map --gid-map --translate-uid --translate-gid xattrmap', TEXT),
  ...each('xattr no_xattr readdirplus no_readdirplus writeback no_writeback', FLAG),
  ...each('allow_direct_io no_allow_direct_io announce_submounts killpriv_v2 no_killpriv_v2', FLAG),
  ...each('posix_acl no_posix_acl security_label no_security_label no_posix_lock no_flock', FLAG),
  ...each('sandbox', oneOf('namespace chroot')),
  ...each('loglevel', oneOf('debug info warn err')),
  ...each('--cache cache', CACHE),
  ...each('--shared-dir source --socket --socket-path --socket-group --fd', OURS),
  ...each('-h --help -V --version --print-capabilities --', OURS),
  ['--tag', { ours: 'each share has a tag of its own; leave it out' }],
]);

/** What gives the value that stands in the next argument, if there is one. */
type ValueBehind = () => string | undefined;

/** Reads arguments as clap does: what begins with a dash is never another option's value. */
export function parseRust(args: readonly string[]): Option[] {
  const options: Option[] = [];
  let index = 0;
  const valueBehind: ValueBehind = () => {
    const next = args[index + 1];
    if (next === undefined || isOption(next)) return undefined;
    index++;
    return next;
  };
  for (; index < args.length; index++) {
    const argument = args[index] ?? '';
    if (argument.startsWith('--')) options.push({ index, ...longOption(argument, valueBehind) });
    else if (isOption(argument))
      options.push(...shortOptions(argument.slice(1), valueBehind).map((option) => ({ index, ...option })));
    else options.push({ index, name: argument, problem: 'this is no option' });
  }
  return options;
}

const isOption = (argument: string): boolean => argument.startsWith('-') && argument !== '-';

/** An unknown option may take a value. */
function longOption(argument: string, valueBehind: ValueBehind): Omit<Option, 'index'> {
  const option = splitOption(argument);
  const { value, isAttached = false } = RUST_RULES.get(option.name) ?? TEXT;
  if (option.value !== undefined || value === undefined || isAttached) return option;
  return { ...option, value: valueBehind() };
}

/** Several in one argument, of which the last may be `o` with its value. */
function shortOptions(letters: string, valueBehind: ValueBehind): Omit<Option, 'index'>[] {
  const options: Omit<Option, 'index'>[] = [];
  for (const [position, letter] of letters.split('').entries()) {
    if (letter === 'o') return [...options, ...compatibleOptions(letters.slice(position + 1), valueBehind)];
    const name = `-${letter}`;
    options.push(RUST_RULES.has(name) || letters === letter ? { name } : { name, problem: ALONE });
  }
  return options;
}

/** Whether what follows is its value, or options, depends on what it is. */
const ALONE = 'this is unknown: give it an argument of its own';

function compatibleOptions(rest: string, valueBehind: ValueBehind): Omit<Option, 'index'>[] {
  const value = rest.replace(/^=/, '') || valueBehind();
  if (value === undefined) return [{ name: '-o', problem: 'this needs a value behind it' }];
  return value.split(',').map(splitOption);
}
