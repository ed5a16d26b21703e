// A sandbox controller that does nothing, in a process of its own: what containerd, gRPC and Node.js cost without us.
import { createServer } from 'node:http2';
import { createInterface } from 'node:readline';
import { timestampNow } from '@bufbuild/protobuf/wkt';
import type { ConnectRouter, ServiceImpl } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { Controller } from '../../src/proto/containerd/sandbox-controller_pb.ts';

const [socket = ''] = process.argv.slice(2);
const ended = new Map<string, PromiseWithResolvers<void>>();

const service: ServiceImpl<typeof Controller> = {
  create({ sandboxId }) {
    ended.set(sandboxId, Promise.withResolvers());
    return { sandboxId };
  },
  start: ({ sandboxId }) => ({ sandboxId, pid: process.pid, createdAt: timestampNow() }),
  platform: () => ({ platform: { os: 'linux', architecture: 'amd64' } }),
  stop({ sandboxId }) {
    ended.get(sandboxId)?.resolve();
    return {};
  },
  async wait({ sandboxId }) {
    await ended.get(sandboxId)?.promise;
    return { exitedAt: timestampNow() };
  },
  status: ({ sandboxId }) => ({ sandboxId, pid: process.pid, state: 'SANDBOX_READY' }),
  shutdown({ sandboxId }) {
    ended.delete(sandboxId);
    return {};
  },
  metrics: () => ({}),
  update: () => ({}),
};

const routes = (router: ConnectRouter): void => void router.service(Controller, service);
const adapter = connectNodeAdapter({ routes, connect: false, grpcWeb: false, acceptCompression: [] });
const server = createServer(adapter).listen(socket);
for await (const line of createInterface({ input: process.stdin })) console.log(line);
server.close();
process.exit();
