/** What the shim sets, or what takes socket, output or mounts out of its hands. */
const FORBIDDEN: Readonly<Record<string, string>> = {
  '--sock': 'the shim chooses the socket',
  '--apisock': 'the shim chooses the API socket',
  '-A': 'the shim chooses the API socket',
  '--rlimit-nofile': 'the shim sets it to what the machine allows',
  '--log-level': 'use "virtio_fs_debug"',
  '-l': 'use "virtio_fs_debug"',
  '--log-file': 'the shim keeps the output for its log and errors',
  '-L': 'the shim keeps the output for its log and errors',
  '--shared-dir': "the sandbox's request names the directory",
  '-s': "the sandbox's request names the directory",
  '--bootstrap': 'images are mounted by requests',
  '-B': 'images are mounted by requests',
  '--config': 'each mount brings its configuration',
  '-C': 'each mount brings its configuration',
  '--localfs-dir': 'each mount brings its configuration',
  '-D': 'each mount brings its configuration',
  '--prefetch-files': 'each mount brings its configuration',
  '--virtual-mountpoint': 'images are mounted by requests',
  '-m': 'images are mounted by requests',
  '--hybrid-mode': 'nydusd has both kinds of file systems without it, and loses one with it',
  '--id': 'nydusd has no failover with virtio-fs',
  '--supervisor': 'nydusd has no failover with virtio-fs',
  '--upgrade': 'nydusd has no failover with virtio-fs',
  '--help': 'it ends nydusd',
  '-h': 'it ends nydusd',
  '--version': 'it ends nydusd',
  '-V': 'it ends nydusd',
};

/** Finds the first extra argument that nydusd may not be given, and says why. Of unknown ones nydusd itself complains. */
export function findForbidden(
  args: readonly string[],
): { readonly index: number; readonly message: string } | undefined {
  for (const [index, arg] of args.entries()) {
    const name = nameOf(arg);
    const why = FORBIDDEN[name];
    if (why !== undefined) return { index, message: `"${name}" is not for extra arguments: ${why}` };
  }
  return undefined;
}

/** An option of one letter may have its value right behind it. */
const nameOf = (arg: string): string =>
  arg.startsWith('--') ? (arg.split('=')[0] ?? arg) : /^-[A-Za-z]/.test(arg) ? arg.slice(0, 2) : arg;
