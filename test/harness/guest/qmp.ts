import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { createInterface, type Interface } from 'node:readline';
import type { VmmStep } from '../../../src/vmm/step.ts';
import { eventually } from '../eventually.ts';

/** A monitor of a QEMU that runs. Disposal disconnects. */
export interface Qmp extends AsyncDisposable {
  /** Runs steps as they are, one after the other, each with what is to be waited for. @throws Error with QEMU's words */
  run(steps: readonly Pick<VmmStep, 'text' | 'waitFor'>[]): Promise<void>;
}

/** QEMU's arguments for a monitor on a socket and free hot-plug ports of these names. */
export const hotPlugArguments = (socket: string, ...ports: string[]): string[] => [
  '-qmp',
  `unix:${socket},server=on,wait=off`,
  ...ports.flatMap((id, index) => [
    '-device',
    `pcie-root-port,id=${id},chassis=${index + 1},slot=${index + 1}`,
  ]),
];

interface Message {
  readonly event?: string;
  readonly data?: { readonly device?: string };
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

/** Connects to the monitor, as soon as QEMU listens. */
export async function connectQmp(path: string): Promise<Qmp> {
  let socket: Socket | undefined;
  await eventually('QEMU listens', async () => {
    socket = await connectOnce(path);
    return socket !== undefined;
  });
  if (!socket) throw new Error('Not reached');
  const messages = readMessages(createInterface({ input: socket }));
  const own = socket;
  const send = async (text: string): Promise<void> => {
    own.write(`${text}\n`);
    const { error } = await messages.next((message) => 'return' in message || 'error' in message);
    if (error) throw new Error(error.desc);
  };
  await send('{"execute":"qmp_capabilities"}');
  return {
    async run(steps) {
      for (const { text, waitFor } of steps) {
        // oxlint-disable-next-line no-await-in-loop -- steps
        await send(text);
        const { arguments: args } = JSON.parse(text) as { arguments?: { id?: string } };
        if (waitFor)
          // oxlint-disable-next-line no-await-in-loop -- steps
          await messages.next(({ event, data }) => event === waitFor && data?.device === args?.id);
      }
    },
    async [Symbol.asyncDispose]() {
      own.destroy();
      if (!own.closed) await once(own, 'close');
    },
  };
}

async function connectOnce(path: string): Promise<Socket | undefined> {
  const socket = createConnection({ path });
  try {
    await once(socket, 'connect');
    return socket;
  } catch {
    return undefined;
  }
}

/** Each message is told once, to who asks for one like it. */
function readMessages(lines: Interface): { next(isMeant: (message: Message) => boolean): Promise<Message> } {
  const unread: Message[] = [];
  let isOpen = true;
  let changed = Promise.withResolvers<void>();
  const tell = (): void => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  lines.on('line', (line) => {
    unread.push(JSON.parse(line) as Message);
    tell();
  });
  lines.on('close', () => {
    isOpen = false;
    tell();
  });
  return {
    async next(isMeant) {
      for (;;) {
        const index = unread.findIndex(isMeant);
        const [found] = index === -1 ? [] : unread.splice(index, 1);
        if (found) return found;
        if (!isOpen) throw new Error('QEMU has closed the monitor');
        // oxlint-disable-next-line no-await-in-loop -- a stream
        await changed.promise;
      }
    },
  };
}
