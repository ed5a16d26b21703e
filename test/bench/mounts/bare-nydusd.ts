import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Agent, request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { execa } from 'execa';
import { eventually } from '../../harness/eventually.ts';

/** A nydusd that nobody manages, and its API as a program calls it that does nothing else. Disposal kills it. */
export interface BareNydusd extends AsyncDisposable {
  mount(mountpoint: string, image: { readonly source: string; readonly config: string }): Promise<void>;
  unmount(mountpoint: string): Promise<void>;
}

/** Starts one in a directory. */
export async function startBareNydusd(nydusd: string, directory: string): Promise<BareNydusd> {
  const [socket, socketPath] = ['bare.sock', 'bare.api'].map((name) => join(directory, name)) as [
    string,
    string,
  ];
  const args = ['virtiofs', '--log-level', 'info', '--apisock', socketPath, '--sock', socket];
  const daemon = execa(nydusd, [...args, '--rlimit-nofile', '4096'], { stdio: 'ignore', reject: false });
  const agent = new Agent({ keepAlive: true });
  const call = async (method: 'POST' | 'DELETE', mountpoint: string, body = ''): Promise<void> => {
    const path = `/api/v1/mount?mountpoint=${encodeURIComponent(mountpoint)}`;
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    const outgoing = request({ socketPath, agent, method, path, headers }).end(body);
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    answer.resume();
    await once(answer, 'end');
    if (answer.statusCode !== 204) throw new Error(`nydusd answered ${answer.statusCode}`);
  };
  await eventually('nydusd answers', () => existsSync(socketPath));
  return {
    mount: (mountpoint, image) => call('POST', mountpoint, JSON.stringify({ fs_type: 'rafs', ...image })),
    unmount: (mountpoint) => call('DELETE', mountpoint),
    async [Symbol.asyncDispose]() {
      agent.destroy();
      daemon.kill('SIGKILL');
      await daemon;
    },
  };
}
