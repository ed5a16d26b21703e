import { codeName, connect, createClient, StatusError } from 'ttrpc-ts';
import { EchoService } from './echo_pb.ts';

/** Calls every method of echo.proto on a unix socket: `node echo-client.ts <socket path>`. */
const path = process.argv[2] ?? '';

await using transport = await connect({ path });
const client = createClient(EchoService, transport);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function* words(): AsyncGenerator<{ message: string }> {
  yield { message: 'good' };
  yield { message: 'morning' };
}

const { message } = await client.echo(
  { message: 'hello' },
  { timeoutMs: 1000, metadata: { language: 'en' } },
);
print(`echo: ${message}`);

for await (const answer of client.repeat({ message: 'again', count: 2 })) print(`repeat: ${answer.message}`);

print(`join: ${(await client.join(words())).message}`);

for await (const answer of client.chat(words())) print(`chat: ${answer.message}`);

try {
  await client.fail({ code: 5, message: 'no such thing' });
} catch (error) {
  if (!StatusError.is(error)) throw error;
  print(`fail: ${codeName(error.code)}: ${error.message}`);
}
