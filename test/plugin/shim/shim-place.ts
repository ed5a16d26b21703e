import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { execa } from 'execa';
import { createClient, connect, type Client } from 'ttrpc-ts';
import { MountCapabilitiesSchema } from '../../../src/proto/containerd/mount_pb.ts';
import { Sandbox } from '../../../src/proto/containerd/sandbox_pb.ts';
import {
  endMarkedProcesses,
  hostsAmong,
  markedProcesses,
  markOf,
} from '../../harness/containerd/marked-processes.ts';
import { findProgram } from '../../setup/find-program.ts';
import { fixture } from '../../harness/fixtures.ts';
import { PATIENT_DAEMON, PATIENT_HOST } from '../../harness/patience.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

/** The script. */
export const script: string = join(import.meta.dirname, '../../../plugin/containerd-shim-virtiofs-v1');

/** One execution of the script, as containerd does it. */
export interface Execution {
  /** @default "default" */
  readonly namespace?: string;
  /** @default the bundle of that id */
  readonly cwd?: string;
  /** What `delete` is told. @default the bundle of that id */
  readonly bundle?: string;
  /** Standard input. @default empty */
  readonly input?: Uint8Array;
  /** Added to the environment. @default none */
  readonly env?: Readonly<Record<string, string>>;
  /** The script, or a copy of it. @default {@link script} */
  readonly program?: string;
}

/** What came of it. */
export interface Executed {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A state directory, a configuration and bundles of a test's own. Disposal ends the host and every daemon. */
export interface ShimPlace extends AsyncDisposable {
  readonly path: string;
  readonly state: string;
  readonly configFile: string;
  /** The bundle of a sandbox, made if need be. */
  bundle(id: string): Promise<string>;
  start(id: string, execution?: Execution): Promise<Executed>;
  delete(id: string, execution?: Execution): Promise<Executed>;
  /** Process ids of living hosts. */
  hosts(): Promise<number[]>;
  /** Calls the host as containerd does. */
  call<T>(use: (sandboxes: Client<typeof Sandbox>) => Promise<T>): Promise<T>;
  /** Starts the sandbox `id` with one share `work`, which the host owns, through the script and the host. */
  createSandbox(id: string, execution?: Execution): Promise<void>;
}

/** The shells that the script must run in; Debian has the first two, whatever else is installed. */
export const shells: readonly (readonly string[])[] = [
  ['dash'],
  ['bash', '--posix'],
  ...(findProgram('busybox') === undefined ? [] : [['busybox', 'sh']]),
];

/** Makes a place for the script. `daemon` is the fixture that stands for virtiofsd. */
export async function shimPlace({
  shell = ['sh'],
  daemon = 'waits',
  env = {},
}: {
  readonly shell?: readonly string[];
  readonly daemon?: string;
  /** Of every execution. */
  readonly env?: Readonly<Record<string, string>>;
} = {}): Promise<ShimPlace> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  stack.defer(() => endMarkedProcesses(path));
  const state = join(path, 'state');
  const configFile = join(path, 'config.toml');
  await writeFile(configFile, shimConfig({ daemon, scratchDir: state }));
  const bundle = async (id: string): Promise<string> => {
    const directory = join(path, 'bundles', id);
    await mkdir(directory, { recursive: true });
    return directory;
  };
  const execute = async (id: string, command: string[], execution: Execution): Promise<Executed> => {
    const { namespace = 'default', cwd = await bundle(id), input = new Uint8Array() } = execution;
    const names = ['-namespace', namespace, '-address', `${path}/c.sock`, '-publish-binary', 'containerd'];
    const [interpreter = '', ...flags] = shell;
    const result = await execa(
      interpreter,
      [...flags, execution.program ?? script, ...names, '-id', id, ...command],
      {
        cwd,
        input,
        reject: false,
        stripFinalNewline: false,
        extendEnv: false,
        env: {
          PATH: process.env['PATH'] ?? '',
          TMPDIR: process.env['TMPDIR'] ?? '/tmp',
          CONTAINERD_SHIM_VIRTIOFS_STATE: state,
          CONTAINERD_SHIM_VIRTIOFS_CONFIG: configFile,
          CONTAINERD_SHIM_VIRTIOFS_NODE: process.execPath,
          ...PATIENT_HOST,
          ...markOf(path),
          ...env,
          ...execution.env,
        },
      },
    );
    return { code: result.exitCode, stdout: result.stdout, stderr: result.stderr };
  };
  const place: Omit<ShimPlace, typeof Symbol.asyncDispose> = {
    path,
    state,
    configFile,
    bundle,
    start: (id, execution = {}) => execute(id, ['start'], execution),
    delete: async (id, execution = {}) =>
      execute(id, ['-bundle', execution.bundle ?? (await bundle(id)), 'delete'], execution),
    hosts: async () => hostsAmong(await markedProcesses(path)),
    call: async (use) => {
      const address = (await readFile(join(state, 'host.address'), 'utf8')).trim();
      await using transport = await connect({ path: address });
      return await use(createClient(Sandbox, transport));
    },
    createSandbox: async (id, execution) => {
      const { code, stderr } = await place.start(id, execution);
      if (code !== 0) throw new Error(stderr);
      const bundlePath = await bundle(id);
      await place.call((sandboxes) => sandboxes.createSandbox({ sandboxId: id, bundlePath }));
    },
  };
  const owned = stack.move();
  return { ...place, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A configuration whose sandboxes have one share without a source. */
export function shimConfig({ daemon, scratchDir }: { daemon: string; scratchDir: string }): string {
  return `version = 1
scratch_dir = "${scratchDir}"
[[shares]]
tag = "work"
[plugins."io.containerd.fsshare.v1.virtiofs"]
virtio_fs_daemon = "${fixture(daemon)}"
virtio_fs_dialect = "rust"
${PATIENT_DAEMON}
`;
}

/** What `start` prints: where the host is, and that the shim mounts what is of type `virtiofs`. */
export function bootstrapResult({ state }: Pick<ShimPlace, 'state'>): string {
  const capabilities = create(MountCapabilitiesSchema, { types: ['virtiofs'] });
  const value = {
    type_url: 'type.googleapis.com/containerd.types.MountCapabilities',
    value: Buffer.from(toBinary(MountCapabilitiesSchema, capabilities)).toString('base64'),
  };
  const address = `unix://${state}/host.sock`;
  return JSON.stringify({ version: 3, address, protocol: 'ttrpc', extensions: [{ value }] });
}
