import { once } from 'node:events';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';

/** A step as `shim-virtiofs open` and `inspect` tell it with --json. */
export interface Step {
  readonly text: string;
  /** The event that has to come, with the device's id, before the next step. */
  readonly waitFor: string;
}

interface Message {
  readonly event?: string;
  readonly data?: { readonly device?: string };
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

/** Sends steps to a QEMU that runs, as they are and one after the other. Throws QEMU's own words where it refuses one. */
export async function runSteps(socketPath: string, steps: readonly Step[]): Promise<void> {
  const socket = createConnection({ path: socketPath });
  await once(socket, 'connect');
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  const seen: Message[] = [];
  const next = async (isMeant: (message: Message) => boolean): Promise<Message> => {
    for (;;) {
      const [found] = seen.splice(seen.findIndex(isMeant) >>> 0, 1);
      if (found) return found;
      const line = await lines.next();
      if (line.done) throw new Error('QEMU has closed its monitor');
      seen.push(JSON.parse(line.value) as Message);
    }
  };
  const send = async (text: string): Promise<void> => {
    socket.write(`${text}\n`);
    const { error } = await next((message) => 'return' in message || 'error' in message);
    if (error) throw new Error(`QEMU refuses ${text}: ${error.desc}`);
  };
  try {
    await send('{"execute":"qmp_capabilities"}');
    for (const { text, waitFor } of steps) {
      await send(text);
      const { id } = (JSON.parse(text) as { arguments: { id: string } }).arguments;
      if (waitFor) await next(({ event, data }) => event === waitFor && data?.device === id);
    }
  } finally {
    socket.destroy();
  }
}
