import { glob, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { ShareRecord } from '../../../src/share/record.ts';
import { obtain } from '../../setup/obtain.ts';
import { PATIENT_DAEMON, PATIENT_HOST } from '../patience.ts';
import { SHIM_DIRECTORY } from '../program.ts';
import { startContainerd, type Containerd, type ContainerdOptions, type CtrResult } from './containerd.ts';
import { hostsAmong, type MarkedProcess } from './marked-processes.ts';

/** Options of `startShimContainerd()`. */
export interface ShimContainerdOptions extends Pick<
  ContainerdOptions,
  'version' | 'runtimes' | 'imports' | 'cni' | 'nri' | 'extraConfig'
> {
  /** Added to containerd's environment. @default none */
  readonly env?: Readonly<Record<string, string>>;
  /** TOML of the shim's configuration, between `state` and the table of the virtiofs plugin. @default "" */
  readonly config?: string;
  /** The directory of `containerd-shim-virtiofs-v1`. @default this checkout's */
  readonly shimDirectory?: string;
  /** TOML in the table of the virtiofs plugin. @default the virtiofsd of set-up */
  readonly virtiofs?: string;
}

/** A containerd with our shim on its PATH and a state directory of the shim's own below `dir`. */
export interface ShimContainerd extends Containerd {
  readonly configFile: string;
  readonly state: string;
  /** Makes a directory below `dir` that can be shared. */
  source(name: string): Promise<string>;
  /** `ctr sandboxes run` of the shim with a virtiofs mount for each tag. */
  run(id: string, sources: Readonly<Record<string, string>>): Promise<CtrResult>;
  /** What the shim has on disk. */
  records(): Promise<RecordedShare[]>;
  /** What is left of sandboxes: records, vhost-user sockets, daemons and directories that the host owns. */
  leftovers(): Promise<string[]>;
  /** Process ids of living hosts; there should be one at most. */
  hosts(): Promise<number[]>;
}

/** A share's record, with its daemon's pid at hand; 0 where there is none yet. */
export type RecordedShare = ShareRecord & { readonly pid: number };

/** Starts a containerd that executes the shim of this checkout. */
export async function startShimContainerd(options: ShimContainerdOptions): Promise<ShimContainerd> {
  const { config = '', virtiofs = `virtio_fs_daemon = "${(await obtain('virtiofsd')).path}"` } = options;
  const containerd = await startContainerd({
    ...options,
    path: [options.shimDirectory ?? SHIM_DIRECTORY],
    env: async (dir) => {
      const configFile = configFileOf(dir);
      const plugin = `[plugins."io.containerd.fsshare.v1.virtiofs"]\n${PATIENT_DAEMON}\n${virtiofs}\n`;
      await writeFile(configFile, `version = 1\nscratch_dir = "${stateOf(dir)}"\n${config}\n${plugin}`);
      return {
        CONTAINERD_SHIM_VIRTIOFS_STATE: stateOf(dir),
        CONTAINERD_SHIM_VIRTIOFS_CONFIG: configFile,
        ...PATIENT_HOST,
        ...options.env,
      };
    },
  });
  const { dir } = containerd;
  const additions = {
    configFile: configFileOf(dir),
    state: stateOf(dir),
    source: async (name) => {
      const path = join(dir, 'sources', name);
      await mkdir(path, { recursive: true });
      return path;
    },
    run: async (id, sources) => {
      const spec = join(dir, `${id}.json`);
      await writeFile(spec, JSON.stringify(specOf(sources)));
      return containerd.ctr(['sandboxes', 'run', '--runtime', 'io.containerd.virtiofs.v1', spec, id]);
    },
    records: () => readRecords(stateOf(dir)),
    leftovers: async () => {
      const daemons = await remainingDaemons(containerd);
      const folders = ['sandboxes', 's', 'shared'].map((name) => join(stateOf(dir), name));
      const entries = await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])));
      return [
        ...daemons.map(({ pid, argv }) => `${pid} ${argv.join(' ')}`),
        // A host keeps one socket with a hidden name ready for its next daemon, and a trash among shared directories.
        ...entries.flat().filter((name) => !name.startsWith('.') && name !== 'trash'),
      ];
    },
    hosts: async () => hostsAmong(await containerd.processes()),
  } satisfies Partial<ShimContainerd>;
  // Not a copy: `pid` is a getter.
  return Object.assign(containerd, additions);
}

/** Those that do not end by themselves: a virtiofsd's worker ends because its parent has, a moment later. */
async function remainingDaemons(containerd: Containerd): Promise<MarkedProcess[]> {
  const deadline = Date.now() + 5000;
  for (;;) {
    // oxlint-disable no-await-in-loop -- a poll
    const processes = await containerd.processes();
    const daemons = processes.filter(({ argv: [program = ''] }) => program.includes('virtiofsd'));
    if (daemons.length === 0 || Date.now() > deadline) return daemons;
    await sleep(20);
    // oxlint-enable no-await-in-loop
  }
}

/** An OCI spec with a virtiofs mount for each tag. */
export function specOf(sources: Readonly<Record<string, string>>): unknown {
  const mounts = Object.entries(sources).map(([destination, source]) => ({
    destination,
    type: 'virtiofs',
    source,
    options: ['rw'],
  }));
  return { ociVersion: '1.2.0', mounts };
}

/** The records below a state directory; one that goes away meanwhile is left out. */
export async function readRecords(state: string): Promise<RecordedShare[]> {
  const records: RecordedShare[] = [];
  for await (const file of glob(`${state}/sandboxes/*/*/*/share.json`)) {
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const record = JSON.parse(text) as ShareRecord;
    records.push({ ...record, pid: record.daemon?.pid ?? 0 });
  }
  return records;
}

const configFileOf = (dir: string): string => join(dir, 'shim.toml');
const stateOf = (dir: string): string => join(dir, 'shim');
