import { create, type DescMessage, fromBinary, type Message } from '@bufbuild/protobuf';
import { type Client, type Codec, connect, createClient, createServer, protobufCodec } from 'ttrpc-ts';
import {
  type FetchRequest,
  FetchRequestSchema,
  InteropService,
  type Payload,
  PayloadSchema,
} from '../../interop/proto/interop_pb.ts';
import { cachePayloads, drive, makeWindow } from './drive.ts';

/** `ttrpc-peer.ts server|client protobuf|bytes <socket>`: ttrpc-ts, with protobuf payloads or with bytes as they are. */
const [role, payloads, path = ''] = process.argv.slice(2);

const bytesCodec: Codec = {
  encode: (_, message) => message as Uint8Array,
  decode: (_, payload) => payload as never,
};
const codec = payloads === 'bytes' ? bytesCodec : protobufCodec;

if (role === 'server') await serve();
else await drive(await makeDriver());

async function serve(): Promise<void> {
  const server = createServer({ codec }).service(InteropService, {
    echo: async (request) => request,
    fetch: (request) => makePayload(decodeFetch(request).size),
    async *chat(requests) {
      for await (const request of requests) yield request;
    },
  });
  await server.listen({ path });
  process.stdout.write('ready\n');
  process.stdin.resume().once('end', () => void server.close());
}

async function makeDriver(): Promise<Parameters<typeof drive>[0]> {
  const transport = await connect({ path, codec });
  const client: Client<typeof InteropService> = createClient(InteropService, transport);
  const payload = cachePayloads(makePayload);
  const fetchRequest = cachePayloads((size) =>
    passed(FetchRequestSchema, create(FetchRequestSchema, { size })),
  );
  return {
    call: (size) => client.echo(payload(size)),
    fetch: (size) => client.fetch(fetchRequest(size)),
    async stream({ size, window, until }) {
      const returns = makeWindow({ message: payload(size), window, until });
      let count = 0;
      for await (const _ of client.chat(returns.input)) {
        count++;
        returns.gotBack();
      }
      return count;
    },
    close: () => transport.close(),
  };
}

function makePayload(size: number): Payload {
  return passed(PayloadSchema, create(PayloadSchema, { data: new Uint8Array(size) }));
}

/** As bytes: what protobuf makes of the same message. */
function passed<T extends Message>(schema: DescMessage, message: T): T {
  return codec === bytesCodec ? (protobufCodec.encode(schema, message) as unknown as T) : message;
}

function decodeFetch(request: FetchRequest): FetchRequest {
  return codec === bytesCodec ? fromBinary(FetchRequestSchema, request as unknown as Uint8Array) : request;
}
