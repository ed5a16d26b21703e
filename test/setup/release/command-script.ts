/** Where the script that says why a Node.js cannot run stands in a package of ours. */
export const NODE_PROBLEM = 'src/cli/node-problem.sh';

/**
 * Lines of a shell script that end it where the Node.js of `$node` cannot run the program, whose package is in `$package`:
 * it says in one line why, and what helps.
 */
export const REQUIRE_NODE = `{ version=$("$node" --version); } 2>/dev/null || version=
major=\${version#v}
if ! [ "\${major%%.*}" -ge 24 ] 2>/dev/null; then
	printf 'shim-virtiofs: no Node.js that can run this: %s\\n' "$(sh "$package/${NODE_PROBLEM}" "$node")" >&2
	exit 1
fi
`;

/** The command `shim-virtiofs` of the npm package: runs by the Node.js of the PATH. */
export const NPM_COMMAND = `#!/bin/sh
self=$(readlink -f "$0")
package=\${self%/bin/*}
node=$(command -v node)
${REQUIRE_NODE}exec "$node" "$package/src/cli/main.js" "$@"
`;
