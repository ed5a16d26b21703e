import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { execa } from 'execa';

import type { ServerCommand } from './server-process.ts';

const BRIDGE = 'csv-pods';
const NETWORK = 'pods';
const SUBNET = '10.88.0.0/24';

/** A program and its arguments. */
type Executed = Pick<ServerCommand, 'binary' | 'args'>;

/** Where pods can have addresses without the machine noticing. Disposal ends it; what runs in it still has it until its own end. */
export interface OwnNetwork extends AsyncDisposable {
  /** What executes a program in it, as the same process. */
  enter(program: Executed): Executed;
  /** What is there of pods: network interfaces, namespaces and addresses. */
  leftovers(): Promise<string[]>;
}

/**
 * Makes a network namespace, and a mount namespace in which nothing that is written to /var/lib reaches the machine:
 * containerd has CNI's results written to /var/lib/cni, and no setting says otherwise. Needs root.
 */
export async function openOwnNetwork(dir: string): Promise<OwnNetwork> {
  const scratch = join(dir, 'network');
  await mkdir(scratch);
  // It ends with its standard input, so with this process at the latest.
  const holder = execa('unshare', ['--net', '--mount', 'sh', '-ec', HOLD, 'sh', scratch], { reject: false });
  const first = await holder.iterable()[Symbol.asyncIterator]().next();
  if (first.done) throw new Error(`Cannot make a network: ${(await holder).stderr}`);
  const { pid = 0 } = holder;
  return {
    enter: ({ binary, args }) => ({
      binary: 'nsenter',
      args: ['--target', `${pid}`, '--net', '--mount', '--', binary, ...args],
    }),
    leftovers: async () => {
      const devices = await readFile(`/proc/${pid}/net/dev`, 'utf8');
      const interfaces = devices.split('\n').flatMap((line) => /^ *(\S+):/.exec(line)?.[1] ?? []);
      const namespaces = join(dir, 'state/io.containerd.grpc.v1.cri/netns');
      const folders = [namespaces, join(addressesOf(dir), NETWORK)];
      const entries = await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])));
      return [...interfaces, ...entries.flat()].filter(isOfPods);
    },
    async [Symbol.asyncDispose]() {
      holder.kill('SIGKILL');
      await holder;
    },
  };
}

const isOfPods = (name: string): boolean =>
  !['lo', BRIDGE, 'lock'].includes(name) && !name.startsWith('last_');

const HOLD = `
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work"
mount -t overlay overlay -o "lowerdir=/var/lib,upperdir=$1/upper,workdir=$1/work" /var/lib
echo ready
exec cat`;

/** Writes a CNI configuration of the bridge plugin, which keeps its addresses below `dir`. */
export async function writeBridgeConfig(dir: string): Promise<void> {
  const folder = join(dir, 'cni/net.d');
  await mkdir(folder, { recursive: true });
  const bridge = {
    type: 'bridge',
    bridge: BRIDGE,
    isGateway: true,
    ipam: { type: 'host-local', dataDir: addressesOf(dir), ranges: [[{ subnet: SUBNET }]] },
  };
  const config = { cniVersion: '1.0.0', name: NETWORK, plugins: [bridge] };
  await writeFile(join(folder, '10-pods.conflist'), JSON.stringify(config));
}

const addressesOf = (dir: string): string => join(dir, 'cni/addresses');
