import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { join } from 'node:path';
import { createServer, type ServiceImpl } from 'ttrpc-ts';
import { Shares, ShareSchema, type Share } from '../../src/proto/share/shares_pb.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A share service that answers what a host cannot be brought to. Disposal closes it. */
export interface FakeShares extends AsyncDisposable {
  readonly address: string;
  /** Closes the connections, as a host that is killed. */
  end(): Promise<void>;
}

/** Serves what of the share service there is; without it a server that knows no such service. */
export async function serveFakeShares(methods?: Partial<ServiceImpl<typeof Shares>>): Promise<FakeShares> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const address = join(path, 'fake.sock');
  const server = stack.use(createServer());
  if (methods) server.service(Shares, methods);
  await server.listen({ path: address });
  const own = stack.move();
  return { address, end: () => server.close(), [Symbol.asyncDispose]: () => own.disposeAsync() };
}

/** A share as the service describes it. */
export const fakeShare = (members: MessageInitShape<typeof ShareSchema> = {}): Share =>
  create(ShareSchema, {
    namespace: 'default',
    sandboxId: 'sb1',
    tag: 'work',
    state: 'waiting',
    pid: 4711,
    socketPath: '/run/s/0123456789abcdef.sock',
    sharedDir: '/srv/data',
    queueSize: 1024,
    sharedFs: 'virtio-fs',
    owner: 'api',
    createdAt: timestampFromMs(1_700_000_000_000),
    ...members,
  });
