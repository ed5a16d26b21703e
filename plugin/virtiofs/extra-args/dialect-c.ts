import { CACHE, CAPABILITIES, each, FLAG, NUMBER, oneOf, OURS, splitOption, TEXT } from './option.ts';
import type { Option, Rules } from './option.ts';

/** The options of QEMU's virtiofsd 7.2; each is taken by itself and in the value of `-o` alike. */
export const C_RULES: Rules = new Map([
  ...each('-d -f --syslog --debug debug allow_root', FLAG),
  ...each('flock no_flock posix_lock no_posix_lock readdirplus no_readdirplus', FLAG),
  ...each('writeback no_writeback xattr no_xattr allow_direct_io no_allow_direct_io', FLAG),
  ...each('posix_acl no_posix_acl security_label no_security_label killpriv_v2 no_killpriv_v2', FLAG),
  ...each('announce_submounts', FLAG),
  ...each('--rlimit-nofile --thread-pool-size max_idle_threads', NUMBER),
  ...each('timeout', { value: /^\d+(\.\d+)?$/ }),
  ...each('log_level', oneOf('debug info warn err')),
  ...each('sandbox', oneOf('namespace chroot')),
  ...each('xattrmap', TEXT),
  ...each('modcaps', CAPABILITIES),
  ...each('cache', CACHE),
  ...each('source vhost_user_socket --fd --socket-path --socket-group', OURS),
  ...each('--daemonize -h --help -V --version --print-capabilities --', OURS),
]);

/** Reads arguments as libfuse's fuse_opt_parse() does. */
export function parseC(args: readonly string[]): Option[] {
  const options: Option[] = [];
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] ?? '';
    if (!argument.startsWith('-')) options.push({ name: argument, index, problem: 'this is no option' });
    else if (!argument.startsWith('-o')) options.push({ ...splitOption(argument), index });
    else {
      const group = argument.slice(2) || args[++index];
      if (group === undefined)
        options.push({ name: '-o', index: index - 1, problem: 'this needs a value behind it' });
      else options.push(...splitGroup(group).map((text) => ({ ...splitOption(text), index })));
    }
  }
  return options;
}

/** Commas separate; a backslash takes the meaning of what follows, or begins an octal number. */
function splitGroup(group: string): string[] {
  const texts = [''];
  for (const [part, octal, plain] of group.matchAll(/\\([0-3][0-7]{2})|\\(.)|./gsu)) {
    if (part === ',') texts.push('');
    else texts[texts.length - 1] += octal ? String.fromCharCode(Number.parseInt(octal, 8)) : (plain ?? part);
  }
  return texts;
}
