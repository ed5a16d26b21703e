import { flushCompileCache } from 'node:module';
import type { Logger } from 'pino';
import { loadExeca } from '../proc/execa.ts';

/**
 * Loads what a host needs only after it has announced itself, before an upgrade puts another version's files there. Then
 * Node.js keeps what it has compiled, where it has a compile cache: by itself it does so at the end of a process.
 */
export async function loadRest(log: Logger): Promise<void> {
  try {
    await loadExeca();
    flushCompileCache();
  } catch (error) {
    log.error({ err: error }, 'Cannot load all of this program: is it installed as a whole?');
  }
}
