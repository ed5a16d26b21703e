import { type Code, createServer, StatusError } from 'ttrpc-ts';
import { EchoService } from './echo_pb.ts';

/** Serves echo.proto on a unix socket until SIGINT or SIGTERM: `node echo-server.ts <socket path>`. */
const path = process.argv[2] ?? '';

const server = createServer().service(EchoService, {
  echo: async ({ message }) => ({ message }),

  async *repeat({ message, count }) {
    for (let index = 0; index < count; index++) yield { message };
  },

  async join(requests) {
    const words: string[] = [];
    for await (const { message } of requests) words.push(message);
    return { message: words.join(' ') };
  },

  async *chat(requests) {
    for await (const { message } of requests) yield { message };
  },

  fail({ code, message }) {
    throw new StatusError(code as Code, message);
  },
});

await server.listen({ path });
process.stdout.write(`listening on ${path}\n`);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void server.shutdown());
