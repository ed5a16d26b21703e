import { Controller } from '../../../../src/proto/containerd/sandbox-controller_pb.ts';
import { connectGrpc } from '../../../harness/containerd/grpc.ts';

// Runs in the Debian of ../deb.test.ts: has its host make a sandbox that has no share, as containerd does.

using grpc = connectGrpc('/run/containerd-shim-virtiofs/grpc.sock');
const sandboxId = 'empty';
const runtime = { name: 'io.containerd.virtiofs.v1' };
await grpc.unary(Controller.method.create, { sandboxId, sandbox: { sandboxId, runtime } });
await grpc.unary(Controller.method.start, { sandboxId });
