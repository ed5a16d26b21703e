import { fromBinary, toJson, type DescMessage } from '@bufbuild/protobuf';
import { createServer, type StatusError } from 'ttrpc-ts';
import { Events, type ForwardRequest } from '../../../src/proto/containerd/events_pb.ts';
import { SandboxStatusResponseSchema } from '../../../src/proto/containerd/sandbox_pb.ts';
import {
  SandboxCreateSchema,
  SandboxExitSchema,
  SandboxStartSchema,
} from '../../../src/proto/containerd/sandbox-events_pb.ts';

/** An event as it arrived, its message by the names of its fields. */
export interface TakenEvent {
  readonly namespace: string;
  readonly topic: string;
  readonly message: Readonly<Record<string, unknown>>;
}

/** containerd's events service alone. Disposal ends it. */
export interface FakeEvents extends AsyncDisposable {
  /** It grows. */
  readonly taken: readonly TakenEvent[];
  /** How many connections there are. */
  connections(this: void): number;
}

const SCHEMAS: ReadonlyMap<string, DescMessage> = new Map(
  [SandboxCreateSchema, SandboxStartSchema, SandboxExitSchema, SandboxStatusResponseSchema].map((schema) => [
    schema.typeName,
    schema,
  ]),
);

/** Serves events on a socket. */
export async function serveFakeEvents(
  path: string,
  {
    refuse = () => undefined,
    until = Promise.resolve(),
  }: {
    /** The error that an event is answered with. @default none */
    refuse?: (event: TakenEvent) => StatusError | undefined;
    /** Nothing is answered before. @default at once */
    until?: Promise<void>;
  } = {},
): Promise<FakeEvents> {
  const taken: TakenEvent[] = [];
  let connections = 0;
  const server = createServer({
    handshake: () => void connections++,
    onConnectionClose: () => void connections--,
  }).service(Events, {
    async forward(request) {
      await until;
      const event = eventOf(request);
      const problem = refuse(event);
      if (problem) throw problem;
      taken.push(event);
      return {};
    },
  });
  await server.listen({ path });
  return { taken, connections: () => connections, [Symbol.asyncDispose]: () => server.close() };
}

function eventOf({ envelope }: ForwardRequest): TakenEvent {
  const { namespace = '', topic = '', event } = envelope ?? {};
  const schema = SCHEMAS.get(event?.typeUrl ?? '');
  if (!schema || !event) throw new Error(`Unknown event ${event?.typeUrl}`);
  const message = toJson(schema, fromBinary(schema, event.value), { useProtoFieldName: true });
  return { namespace, topic, message: message as TakenEvent['message'] };
}
