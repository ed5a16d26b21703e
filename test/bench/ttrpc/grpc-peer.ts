import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import {
  type FetchRequest,
  FetchRequestSchema,
  type Payload,
  PayloadSchema,
} from '../../interop/proto/interop_pb.ts';
import { cachePayloads, drive, makeWindow } from './drive.ts';

/** `grpc-peer.ts server|client <socket>`: @grpc/grpc-js with the same messages. */
const [role, path = ''] = process.argv.slice(2);

const method = (name: string, streams: boolean): grpc.MethodDefinition<Payload, Payload> => ({
  path: `/ttrpc.interop.v1.InteropService/${name}`,
  requestStream: streams,
  responseStream: streams,
  requestSerialize: (message) => Buffer.from(toBinary(PayloadSchema, message)),
  requestDeserialize: (bytes) => fromBinary(PayloadSchema, bytes),
  responseSerialize: (message) => Buffer.from(toBinary(PayloadSchema, message)),
  responseDeserialize: (bytes) => fromBinary(PayloadSchema, bytes),
});
const fetch: grpc.MethodDefinition<FetchRequest, Payload> = {
  ...method('Fetch', false),
  requestSerialize: (message) => Buffer.from(toBinary(FetchRequestSchema, message)),
  requestDeserialize: (bytes) => fromBinary(FetchRequestSchema, bytes),
};
const service = { echo: method('Echo', false), fetch, chat: method('Chat', true) };

if (role === 'server') await serve();
else await drive(makeDriver());

async function serve(): Promise<void> {
  const server = new grpc.Server();
  server.addService(service, {
    echo: (call: grpc.ServerUnaryCall<Payload, Payload>, callback: grpc.sendUnaryData<Payload>) =>
      callback(null, call.request),
    fetch: (call: grpc.ServerUnaryCall<FetchRequest, Payload>, callback: grpc.sendUnaryData<Payload>) =>
      callback(null, create(PayloadSchema, { data: new Uint8Array(call.request.size) })),
    chat: (call: grpc.ServerDuplexStream<Payload, Payload>) => {
      call.on('data', (message: Payload) => call.write(message)).once('end', () => call.end());
    },
  });
  const credentials = grpc.ServerCredentials.createInsecure();
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, credentials, (error) => (error ? reject(error) : resolve()));
  });
  process.stdout.write('ready\n');
  process.stdin.resume().once('end', () => server.forceShutdown());
}

function makeDriver(): Parameters<typeof drive>[0] {
  const client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure());
  const payload = cachePayloads((size) => create(PayloadSchema, { data: new Uint8Array(size) }));
  const { echo, chat } = service;
  const unary = <T>(to: grpc.MethodDefinition<T, Payload>, request: T): Promise<Payload | undefined> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        to.path,
        to.requestSerialize,
        to.responseDeserialize,
        request,
        (error, answer) => (error ? reject(error) : resolve(answer)),
      );
    });
  return {
    call: (size) => unary(echo, payload(size)),
    fetch: (size) => unary(fetch, create(FetchRequestSchema, { size })),
    async stream({ size, window, until }) {
      const call = client.makeBidiStreamRequest(chat.path, chat.requestSerialize, chat.responseDeserialize);
      const returns = makeWindow({ message: payload(size), window, until });
      const sent = (async () => {
        for await (const message of returns.input) call.write(message);
        call.end();
      })();
      let count = 0;
      for await (const _ of call) {
        count++;
        returns.gotBack();
      }
      await sent;
      return count;
    },
    close: async () => client.close(),
  };
}
