import { closeSync, openSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { openListener } from '../../src/daemon/socket.ts';

/** A daemon without a host. Disposal waits until it has ended. */
export interface BareDaemon extends AsyncDisposable {
  readonly socketPath: string;
}

/**
 * The least that a Node.js process can do to start a daemon as the host does: bind, execa, publish, close. No check, no
 * record, no span. What it needs more than the C program is Node's fork; what the host needs more is the host's own.
 */
export function startBareDaemon([command = '', ...args]: readonly string[], directory: string): BareDaemon {
  const socketPath = join(directory, 'bare.sock');
  const output = openSync(join(directory, 'bare.log'), 'a', 0o600);
  using listener = openListener(directory);
  const subprocess = execa(command, args, {
    stdin: listener.fd as 3,
    stdout: output as 3,
    stderr: output as 3,
    detached: true,
    cleanup: false,
    buffer: false,
    reject: false,
    cwd: '/',
    extendEnv: false,
    env: {},
  });
  renameSync(listener.path, socketPath);
  return {
    socketPath,
    async [Symbol.asyncDispose]() {
      closeSync(output);
      await subprocess;
    },
  };
}
