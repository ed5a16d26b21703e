import {
  openShare,
  requireProgram,
  type CreateProvider,
  type Program,
} from 'containerd-shim-virtiofs/plugin';
import { z } from 'containerd-shim-virtiofs/zod';

const SETPRIV = '/usr/bin/setpriv';

export const configSchema = z.strictObject({
  daemon: z.string().startsWith('/').describe('The Rust virtiofsd.'),
  user: z.int().positive().default(65_534).describe('As whom it runs: user and group id on this machine.'),
});

/**
 * This provider serves each share by a virtiofsd without root's rights: whatever a guest does, it reads and writes only
 * what that user may. It needs no sandbox of its own, which only root could set up.
 */
export const createProvider: CreateProvider<z.output<typeof configSchema>> = (context) => {
  const { daemon, user } = context.config;
  const programFor = async (sharedDir: string, readOnly: boolean): Promise<Program> => {
    await Promise.all([SETPRIV, daemon].map((path) => requireProgram(path)));
    const drop = [`--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--no-new-privs', '--'];
    const serve = ['--sandbox=none', `--shared-dir=${sharedDir}`, '--fd=0'];
    return { command: SETPRIV, args: [...drop, daemon, ...serve, ...(readOnly ? ['--readonly'] : [])] };
  };
  return {
    openShare: (request, { signal }) =>
      openShare(context, request, {
        queueSize: 1024,
        signal,
        daemon: ({ sharedDir }) => ({
          name: 'unprivileged-virtiofsd',
          program: () => programFor(sharedDir, request.readOnly),
          socket: 'handed-over',
          ready: { line: /Waiting for vhost-user socket connection/ },
          connectedLine: /Client connected/,
          startTimeoutMs: 5000,
          stopTimeoutMs: 1000,
        }),
      }),
  };
};
