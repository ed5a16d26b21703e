import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { execa } from 'execa';

import { obtain } from '../../setup/obtain.ts';
import { PATIENT_DAEMON } from '../patience.ts';
import { SHIM_VIRTIOFS_COMMAND } from '../program.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { containerdBinaries } from './containerd-binaries.ts';
import type { ContainerdOptions, CtrResult } from './containerd.ts';
import { controllerHost } from './controller-host.ts';
import { writeCrictlConfig } from './crictl.ts';
import { startShimContainerd, type ShimContainerd } from './shim-containerd.ts';

/** The path of a file in examples/. */
export const exampleFile = (name: string): string => join(import.meta.dirname, '../../../examples', name);

/** Options of `startExampleContainerd()`. */
export interface ExampleOptions extends Pick<ContainerdOptions, 'version' | 'imports'> {
  /** The shim's configuration, in examples/. */
  readonly config: string;
  /** Replaces each key by its value in the configuration. @default nothing but the places */
  readonly replace?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Starts a containerd whose shim has the configuration of an example, with its places moved below `dir`. The examples
 * have read-only shares, which need the Rust virtiofsd.
 */
export async function startExampleContainerd(options: ExampleOptions): Promise<ShimContainerd> {
  const containerd = await startShimContainerd(options);
  const { dir, state, configFile } = containerd;
  await mkdir(join(dir, 'srv/models'), { recursive: true });
  const places = { '/run/containerd-shim-virtiofs': state, '/srv/': `${dir}/srv/`, ...options.replace };
  let text = await readFile(exampleFile(options.config), 'utf8');
  for (const [from, to] of Object.entries(places)) text = text.replaceAll(from, to);
  const table = '[plugins."io.containerd.fsshare.v1.virtiofs"]\n';
  text = text.replace(/^version = 1$/m, `$&\nscratch_dir = "${state}"`);
  if (!text.includes(table)) text += `\n${table}`;
  const daemon = `virtio_fs_daemon = "${await obtain('virtiofsd-rust')}"\n${PATIENT_DAEMON}\n`;
  await writeFile(configFile, text.replace(table, `${table}${daemon}`));
  return containerd;
}

/**
 * Starts what examples/containerd/README.md sets up: a containerd that has a host as its sandbox controller, both with
 * the example's configurations.
 */
export async function startExampleController({
  version,
}: Pick<ExampleOptions, 'version'>): Promise<ShimContainerd> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  // The place of the state is known only when containerd runs, which is configured before.
  const state = join(path, 'state');
  const file = join(path, 'virtiofs.toml');
  const text = await readFile(exampleFile('containerd/containerd.toml'), 'utf8');
  await writeFile(file, text.replaceAll('/run/containerd-shim-virtiofs', state));
  const config = 'containerd/config.toml';
  const containerd = stack.use(await startExampleContainerd({ version, config, imports: [file] }));
  await symlink(containerd.state, state);
  const host = stack.use(controllerHost(containerd));
  await host.start();
  const own = stack.move();
  // Not a copy: `pid` is a getter.
  return Object.assign(containerd, { [Symbol.asyncDispose]: () => own.disposeAsync() });
}

/** Runs an example's script as a person does, with ctr, crictl and our command on PATH and its directories below `dir`. */
export async function runSession(containerd: ShimContainerd, name: string): Promise<CtrResult> {
  const { dir, state, address, version } = containerd;
  const commands = join(dir, 'bin');
  await mkdir(commands, { recursive: true });
  await symlink(SHIM_VIRTIOFS_COMMAND.at(-1) ?? '', join(commands, 'shim-virtiofs'));
  const programs = [
    commands,
    dirname(process.execPath),
    await containerdBinaries(version),
    dirname(await obtain('crictl')),
  ];
  const result = await execa(exampleFile(name), [dir], {
    reject: false,
    stdin: 'ignore',
    env: {
      PATH: [...programs, process.env['PATH']].join(':'),
      CONTAINERD_ADDRESS: address,
      CRI_CONFIG_FILE: await writeCrictlConfig(containerd),
      STATE: state,
    },
  });
  return { stdout: result.stdout, stderr: result.stderr, code: result.exitCode };
}
