import { chmod, cp, mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { PACKAGE as NAME } from '../../../src/package.ts';
import { bundle } from './bundle.ts';
import { NODE_PROBLEM, REQUIRE_NODE } from './command-script.ts';
import { bashCompletion, zshCompletion } from './completions.ts';
import { configJsonSchema } from './config-schema.ts';
import { licenceOfNode, licences } from './licences.ts';
import { commandPage, configPage, shimPage } from './man-pages.ts';
import { copyManifests } from './plugin-manifests.ts';
import { BEST, put } from './put.ts';
import { root } from './root.ts';
import { settleModes } from './settle-modes.ts';
import { sbom } from './sbom.ts';

/** Where a node has the program; the rest of the tree leads there. */
export const LIBRARY_DIRECTORY = `usr/lib/${NAME}`;

/** Its command, with the options of Node.js that a host is to have. */
const COMMAND = `#!/bin/sh
self=$(readlink -f "$0")
package=\${self%/bin/*}/lib/${NAME}
node=$package/bin/node
${REQUIRE_NODE}exec "$node" --no-warnings --max-semi-space-size=1 \\
	"$package/src/cli/main.js" "$@"
`;

/** What a tree is made of. */
export interface NodeTree {
  readonly version: string;
  /** A Node.js binary for the machine that the tree is for. */
  readonly nodeBinary: string;
}

/**
 * Makes the tree that a node gets, as it is below its root directory: program, plugins, Node.js, the shim and documents.
 */
export async function makeNodeTree(target: string, { version, nodeBinary }: NodeTree): Promise<void> {
  await rm(target, { recursive: true, force: true });
  const library = join(target, LIBRARY_DIRECTORY);
  const packages = await bundle(library);
  await copyManifests(library);
  const write = (path: string, text: string | Uint8Array): Promise<void> => put(join(target, path), text);
  const document = `usr/share/doc/${NAME}`;
  const examples = join(root, 'examples/containerd');
  await Promise.all([
    copy(nodeBinary, join(library, 'bin/node'), 0o755),
    copy(join(root, `plugin/${NAME}-v1`), join(library, `plugin/${NAME}-v1`), 0o755),
    copy(join(root, NODE_PROBLEM), join(library, NODE_PROBLEM)),
    write(
      `${LIBRARY_DIRECTORY}/package.json`,
      `${JSON.stringify({ name: NAME, version, type: 'module' }, undefined, 2)}\n`,
    ),
    put(join(target, 'usr/bin/shim-virtiofs'), COMMAND, 0o755),
    link(`../lib/${NAME}/plugin/${NAME}-v1`, join(target, `usr/bin/${NAME}-v1`)),
    ...[`${NAME}.service`, `${NAME}.socket`].map((unit) =>
      copy(join(examples, unit), join(target, 'usr/lib/systemd/system', unit)),
    ),
    copy(join(examples, 'tmpfiles.conf'), join(target, `usr/lib/tmpfiles.d/${NAME}.conf`)),
    copy(join(import.meta.dirname, 'config.toml'), join(target, `usr/share/${NAME}/config.toml`)),
    cp(examples, join(target, document, 'examples'), { recursive: true }),
    write(`usr/share/${NAME}/config.schema.json`, `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`),
    write('usr/share/bash-completion/completions/shim-virtiofs', await bashCompletion()),
    write('usr/share/zsh/vendor-completions/_shim-virtiofs', await zshCompletion()),
    write('usr/share/man/man1/shim-virtiofs.1.gz', gzipSync(await commandPage(version), BEST)),
    write(`usr/share/man/man1/${NAME}-v1.1.gz`, gzipSync(await shimPage(version), BEST)),
    write(`usr/share/man/man5/${NAME}.toml.5.gz`, gzipSync(configPage(version), BEST)),
    write(`${document}/copyright`, await copyright(packages)),
    write(`${document}/sbom.cdx.json`, await sbom(packages)),
    write(`${document}/CHANGELOG.md.gz`, gzipSync(await readFile(join(root, 'CHANGELOG.md')), BEST)),
  ]);
  await settleModes(target);
}

async function link(to: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await symlink(to, path);
}

async function copyright(packages: readonly string[]): Promise<string> {
  const line = '-'.repeat(80);
  const own = await readFile(join(root, 'LICENSE'), 'utf8');
  const hint = 'On Debian, the Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0, too.';
  const others = await licences(packages);
  return [`${NAME}\n\n${hint}\n\n${own}`, others, `Node.js\n\n${await licenceOfNode()}`].join(
    `\n${line}\n\n`,
  );
}

async function copy(from: string, to: string, mode = 0o644): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { dereference: true });
  await chmod(to, mode);
}
