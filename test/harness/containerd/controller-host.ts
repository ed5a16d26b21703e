import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { execa } from 'execa';

import { eventually } from '../eventually.ts';
import { SHIM_VIRTIOFS_COMMAND } from '../program.ts';
import { markOf } from './marked-processes.ts';
import type { ShimContainerd } from './shim-containerd.ts';

/** `shim-virtiofs serve` beside a containerd. Disposal ends it with SIGTERM. */
export interface ControllerHost extends AsyncDisposable {
  /** Of the host that was started last; 0 before. */
  readonly pid: number;
  /** Starts a host, and returns when it serves. */
  start(): Promise<void>;
  /** Ends the host alone, and waits until it is gone. */
  end(signal: NodeJS.Signals): Promise<void>;
}

/** A host with the configuration and the state of the containerd's shim; it does not run yet. */
export function controllerHost(
  { dir, configFile, state }: Pick<ShimContainerd, 'dir' | 'configFile' | 'state'>,
  {
    command = SHIM_VIRTIOFS_COMMAND,
    env = {},
  }: {
    /** The program that takes the arguments. @default this checkout's */
    command?: readonly string[];
    env?: Readonly<Record<string, string>>;
  } = {},
): ControllerHost {
  const output = { file: join(dir, 'host.out'), append: true } as const;
  const [program = '', ...first] = command;
  const run = () =>
    execa(program, [...first, 'serve', '--config', configFile, '--state', state], {
      reject: false,
      cleanup: false,
      stdin: 'ignore',
      stdout: output,
      stderr: output,
      env: { ...markOf(dir), ...env },
    });
  let host: ReturnType<typeof run> | undefined;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    host?.kill(signal);
    await host;
  };
  return {
    get pid() {
      return host?.pid ?? 0;
    },
    async start() {
      const starting = run();
      host = starting;
      await eventually('the controller is served', async () => {
        const { exitCode, signalCode } = starting.nodeChildProcess ?? {};
        if (exitCode !== null || signalCode !== null) throw new Error(`The host ended: see ${output.file}`);
        // One that was killed has left its own.
        return (await readFile(join(state, 'host.pid'), 'utf8').catch(() => '')).startsWith(
          `${starting.pid} `,
        );
      });
    },
    end,
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  };
}
