import { create, type DescMessage, type Message, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { protobufCodec } from 'ttrpc-ts';
import { CreateSandboxRequestSchema } from '../../../src/proto/containerd/sandbox_pb.ts';
import { PayloadSchema } from '../../interop/proto/interop_pb.ts';
import { measureInTurn, toRows, type Contestants } from '../rows.ts';
import type { Suite } from '../suite.ts';

/** How many times a message is encoded for one measurement. */
const REPEATS = 2000;

/** The encoder of ttrpc-ts, which measures a message and writes it once, against the library's. */
export const encode: Suite = {
  name: 'encode',
  description: 'encoding one message: the encoder of ttrpc-ts, against toBinary() of @bufbuild/protobuf',
  async run({ isQuick, signal }) {
    const contestants: Record<string, Contestants[string]> = {};
    const peers: Record<string, string> = {};
    for (const [name, schema, message] of makeMessages()) {
      const [ours, theirs] = [`${name}: ttrpc-ts`, `${name}: toBinary()`];
      contestants[ours] = measure(ours, () => protobufCodec.encode(schema, message));
      contestants[theirs] = measure(theirs, () => toBinary(schema, message));
      peers[ours] = theirs;
    }
    const rounds = isQuick ? 20 : 100;
    const samples = await measureInTurn(contestants, { rounds, warmUp: 10, signal });
    return { rows: toRows(samples, { unit: 'ns', peers }), notes: [] };
  },
};

function measure(name: string, encodeOnce: () => Uint8Array): Contestants[string] {
  return async () => {
    const start = performance.now();
    for (let count = 0; count < REPEATS; count++) encodeOnce();
    return { [name]: ((performance.now() - start) * 1e6) / REPEATS };
  };
}

function makeMessages(): [name: string, schema: DescMessage, message: Message][] {
  const annotations = Object.fromEntries(
    Array.from({ length: 20 }, (_, index) => [
      `io.kubernetes.cri.annotation-${index}`,
      `value ${index}`.repeat(5),
    ]),
  );
  const request = create(CreateSandboxRequestSchema, {
    sandboxId: 'f'.repeat(64),
    bundlePath: `/run/containerd/io.containerd.runtime.v2.task/k8s.io/${'f'.repeat(64)}`,
    rootfs: [
      { type: 'overlay', source: 'overlay', options: ['lowerdir=/a:/b', 'upperdir=/c', 'workdir=/d'] },
    ],
    options: anyPack(PayloadSchema, create(PayloadSchema, { data: new Uint8Array(500) })),
    netnsPath: '/var/run/netns/cni-00000000-0000-0000-0000-000000000000',
    annotations,
  });
  const sandbox = `CreateSandboxRequest of ${toBinary(CreateSandboxRequestSchema, request).length} B`;
  return [
    ['100 B of bytes', PayloadSchema, makePayload(100)],
    ['64 KiB of bytes', PayloadSchema, makePayload(64 << 10)],
    [sandbox, CreateSandboxRequestSchema, request],
  ];
}

function makePayload(size: number): Message {
  return create(PayloadSchema, { data: new Uint8Array(size) });
}
