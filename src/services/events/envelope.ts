import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { EnvelopeSchema } from '../../proto/containerd/envelope_pb.ts';

/** An event on its way to containerd. */
export type Envelope = MessageInitShape<typeof EnvelopeSchema>;

/** Whose an event is, what it is called, and when it was. */
export interface EventHead {
  readonly namespace: string;
  readonly topic: string;
  readonly time: Date;
}

/** An event in containerd's form; its type's name has no host before it, as those of containerd. */
export function envelopeOf<Desc extends DescMessage>(
  { namespace, topic, time }: EventHead,
  schema: Desc,
  message: MessageInitShape<Desc>,
): Envelope {
  const event = { typeUrl: schema.typeName, value: toBinary(schema, create(schema, message)) };
  return { timestamp: timestampFromDate(time), namespace, topic, event };
}
