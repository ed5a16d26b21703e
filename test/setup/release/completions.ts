import { COMMANDS } from '../../../src/cli/command-list.ts';
import type { Options } from '../../../src/cli/commands/command.ts';
import { HELP_OPTION } from '../../../src/cli/help.ts';

const PROGRAM = 'shim-virtiofs';

/** The completion for bash: commands, their options, and files where an option takes one. */
export async function bashCompletion(): Promise<string> {
  const cases = (await described()).map(
    ({ name, options }) => `    ${name}) words="${Object.keys(options).map(long).join(' ')}" ;;`,
  );
  return `# bash completion of ${PROGRAM}
_shim_virtiofs() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} words
  case $before in
    ${(await fileOptions()).map(long).join(' | ')}) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
    *) words="${COMMANDS.map(({ name }) => name).join(' ')} --help --version" ;;
  esac
  ((COMP_CWORD > 1)) || words="${COMMANDS.map(({ name }) => name).join(' ')} --help --version"
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [[ \${COMPREPLY[0]-} || $word == -* ]] || COMPREPLY=($(compgen -f -- "$word"))
}
complete -o filenames -F _shim_virtiofs ${PROGRAM}
`;
}

/** The completion for zsh, with the purpose of each command and option. */
export async function zshCompletion(): Promise<string> {
  const commands = COMMANDS.map(({ name, purpose }) => `    ${quote(`${name}:${purpose}`)}`);
  const cases = (await described()).map(({ name, options }) => {
    const lines = Object.entries(options).map(([option, { value, purpose }]) => {
      const action = value === undefined ? '' : `:${value}:${isFile(value) ? '_files' : ''}`;
      return `      ${quote(`${long(option)}[${purpose.replaceAll(/[[\]:]/g, '\\$&')}]${action}`)}`;
    });
    return `    ${name}) _arguments \\\n${lines.join(' \\\n')} \\\n      '*:file:_files' ;;`;
  });
  return `#compdef ${PROGRAM}
_shim_virtiofs() {
  local -a commands=(
${commands.join('\n')}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${cases.join('\n')}
  esac
}
_shim_virtiofs "$@"
`;
}

/** The commands with the options that each has. */
async function described(): Promise<{ name: string; options: Options }[]> {
  return Promise.all(
    COMMANDS.map(async ({ name, load }) => ({
      name,
      options: { ...(await load()).options, help: HELP_OPTION },
    })),
  );
}

async function fileOptions(): Promise<string[]> {
  const all = (await described()).flatMap(({ options }) => Object.entries(options));
  const names = all.filter(([, { value }]) => value !== undefined && isFile(value)).map(([name]) => name);
  return [...new Set(names)];
}

const isFile = (value: string): boolean => /FILE|DIR|SOCKET|PATH/.test(value);

const long = (name: string): string => `--${name}`;

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
