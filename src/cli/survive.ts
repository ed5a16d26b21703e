import type { Logger } from 'pino';
import { currentPlugin } from '../host/plugins/scope.ts';

/**
 * Keeps this process alive, until disposal, whatever callbacks of plugins throw: one host serves all sandboxes of a node.
 * An error that nobody caught is logged with the plugin in whose course it came; `process.exit()` throws one.
 */
export function survive(log: Logger): Disposable {
  const report = (error: unknown): void => {
    const plugin = currentPlugin();
    log.error(
      { err: error, ...(plugin === undefined ? {} : { plugin }) },
      'Nobody caught an error; the host goes on',
    );
  };
  const exit = process.exit.bind(process);
  process.exit = refuseToExit;
  process.on('uncaughtException', report);
  process.on('unhandledRejection', report);
  return {
    [Symbol.dispose]() {
      process.exit = exit;
      process.off('uncaughtException', report);
      process.off('unhandledRejection', report);
    },
  };
}

function refuseToExit(code?: number | string | null): never {
  const who = currentPlugin();
  throw new Error(
    `process.exit(${code ?? ''})${who === undefined ? '' : ` of plugin "${who}"`} was refused: the host serves others too`,
  );
}
