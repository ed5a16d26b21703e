import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { obtain } from '../setup/obtain.ts';
import { runTool } from '../setup/tool.ts';

const source = fileURLToPath(new URL('daemon-peer.c', import.meta.url));

/** Compiles daemon-peer.c into `directory` and resolves to the program's path. */
export async function compilePeer(
  directory: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<string> {
  const program = join(directory, 'daemon-peer');
  const args = ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, source];
  await runTool(await obtain('cc', { signal }), args, { signal, log: join(directory, 'cc.log') });
  return program;
}
