import { join } from 'node:path';
import { execa } from 'execa';
import { COMMANDS } from '../../../src/cli/command-list.ts';
import { describeCommand } from '../../../src/cli/help.ts';
import { configJsonSchema, type JsonSchema } from './config-schema.ts';
import { root } from './root.ts';

/** shim-virtiofs(1): the help of all commands. */
export async function commandPage(version: string): Promise<string> {
  const sections = await Promise.all(
    COMMANDS.map(async ({ name, purpose, load }) => {
      const help = describeCommand(name, await load());
      return `.SS "${name}: ${escape(purpose)}"\n.nf\n${escape(help)}.fi\n`;
    }),
  );
  return `${head('SHIM-VIRTIOFS', 1, version)}.SH NAME
shim\\-virtiofs \\- shares host directories with VM sandboxes over virtio\\-fs
.SH SYNOPSIS
.B shim\\-virtiofs
.I command
.RI [ options ]
.SH COMMANDS
${sections.join('')}.SH SEE ALSO
.BR containerd\\-shim\\-virtiofs.toml (5)
`;
}

/** containerd-shim-virtiofs-v1(1): its own help. */
export async function shimPage(version: string): Promise<string> {
  const { stdout } = await execa('sh', [join(root, 'plugin/containerd-shim-virtiofs-v1'), '--help']);
  return `${head('CONTAINERD-SHIM-VIRTIOFS-V1', 1, version)}.SH NAME
containerd\\-shim\\-virtiofs\\-v1 \\- what containerd executes as its runtime
.SH DESCRIPTION
.nf
${escape(stdout)}
.fi
.SH SEE ALSO
.BR shim\\-virtiofs (1),
.BR containerd\\-shim\\-virtiofs.toml (5)
`;
}

/** containerd-shim-virtiofs.toml(5): the keys of the configuration. */
export function configPage(version: string): string {
  const keys = keysOf(configJsonSchema());
  return `${head('CONTAINERD-SHIM-VIRTIOFS.TOML', 5, version)}.SH NAME
containerd\\-shim\\-virtiofs.toml \\- configuration of the shim host
.SH DESCRIPTION
.I /etc/containerd\\-shim\\-virtiofs/config.toml
is written in TOML.
.SH KEYS
${keys.map(({ key, text }) => `.TP\n.B ${escape(key)}\n${escape(text)}\n`).join('')}.SH SEE ALSO
.BR shim\\-virtiofs (1)
`;
}

const head = (title: string, section: number, version: string): string =>
  `.TH ${title} ${section} "" "containerd\\-shim\\-virtiofs ${version}"\n`;

function keysOf({ properties = {} }: JsonSchema, prefix = ''): { key: string; text: string }[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const key = `${prefix}${name}`;
    const { description = '', default: standard, items } = schema;
    const text = `${description} ${standard === undefined || typeof standard === 'object' ? '' : `Default: ${JSON.stringify(standard)}.`}`;
    return [
      { key, text: text.trim() || 'See above.' },
      ...keysOf(schema, `${key}.`),
      ...(items ? keysOf(items, `${key}[].`) : []),
    ];
  });
}

/** Of roff: backslashes, hyphens that are to stay, and lines that would be requests. */
const escape = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^([.'])/gm, '\\&$1');
