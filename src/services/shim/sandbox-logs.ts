import { join } from 'node:path';
import type { Host } from '../../host/host.ts';
import type { Sandbox } from '../../host/contract.ts';
import { followLog } from '../../tracing/log.ts';
import { openLogFifo, type LogFifo } from './log-fifo.ts';

/** The FIFO in a bundle whose lines containerd copies to its own log. */
const LOG = 'log';

/** Copies the log's lines of each sandbox to its bundle, where containerd takes them. Disposal ends it. */
export interface SandboxLogs extends Disposable {
  /** Begins; disposal ends it. */
  open(sandboxId: string, bundlePath: string): Disposable;
  /** Has what was opened end with its sandbox. */
  endWith(sandbox: Sandbox, log: Disposable): void;
}

/** Creates what copies the lines of a host's log. */
export const createSandboxLogs = (host: Pick<Host, 'log' | 'sandboxes' | 'sandboxEvents'>): SandboxLogs =>
  new BundleLogs(host);

class BundleLogs implements SandboxLogs {
  readonly #host: Pick<Host, 'log' | 'sandboxes' | 'sandboxEvents'>;
  readonly #fifos = new Map<string, Set<LogFifo>>();
  readonly #logs = new Map<Sandbox, Disposable>();
  readonly #stack = new DisposableStack();

  constructor(host: Pick<Host, 'log' | 'sandboxes' | 'sandboxEvents'>) {
    this.#host = host;
    this.#stack.use(followLog(host.log, (line) => this.#copy(line)));
    const onEvent: Parameters<Host['sandboxEvents']['subscribe']>[0] = ({ type, sandbox }) => {
      if (type !== 'deleted') return;
      this.#logs.get(sandbox)?.[Symbol.dispose]();
      this.#logs.delete(sandbox);
    };
    this.#stack.use(host.sandboxEvents.subscribe(onEvent));
  }

  open(sandboxId: string, bundlePath: string): Disposable {
    const fifo = openLogFifo(join(bundlePath, LOG), (lost) => lossLine(sandboxId, lost));
    const fifos = this.#fifos.get(sandboxId) ?? new Set();
    if (fifo) this.#fifos.set(sandboxId, fifos.add(fifo));
    const close = (): void => {
      if (!fifo) return;
      fifo[Symbol.dispose]();
      fifos.delete(fifo);
      if (fifos.size === 0 && this.#fifos.get(sandboxId) === fifos) this.#fifos.delete(sandboxId);
    };
    // What the call that ends it logs is still of this sandbox.
    return { [Symbol.dispose]: () => void setImmediate(close) };
  }

  endWith(sandbox: Sandbox, log: Disposable): void {
    if (this.#host.sandboxes.has(sandbox)) this.#logs.set(sandbox, log);
    else log[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
    for (const log of this.#logs.values()) log[Symbol.dispose]();
    this.#logs.clear();
  }

  #copy(line: string): void {
    if (this.#fifos.size === 0) return;
    const [, sandboxId = ''] = /"sandbox":"([^"]+)"/.exec(line) ?? [];
    for (const fifo of this.#fifos.get(sandboxId) ?? []) fifo.write(line);
  }
}

function lossLine(sandbox: string, lost: number): string {
  const line = { level: 'warn', time: new Date().toISOString(), sandbox, lost };
  return `${JSON.stringify({ ...line, msg: 'Lines of this log were lost: containerd took none' })}\n`;
}
